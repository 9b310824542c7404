#!/bin/bash
# A Kafka that is broker and controller in one, in the image of Apache Kafka: its settings follow from the environment.
set -euo pipefail

# Three ways in: other containers, other brokers' controllers, and this machine.
cat > /tmp/server.properties <<PROPERTIES
process.roles=broker,controller
node.id=$NODE
controller.quorum.voters=$VOTERS
listeners=INSIDE://:9092,CONTROLLER://:9093,OUTSIDE://:9094
advertised.listeners=INSIDE://$HOST:9092,OUTSIDE://$OUTSIDE
inter.broker.listener.name=INSIDE
controller.listener.names=CONTROLLER
listener.security.protocol.map=INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT,OUTSIDE:PLAINTEXT
log.dirs=/var/lib/kafka/data
# Topics are made by set-up, which knows their partitions and retention.
auto.create.topics.enable=false
log.retention.hours=$RETENTION_HOURS
default.replication.factor=$REPLICATION
min.insync.replicas=$MINIMUM_IN_SYNC
offsets.topic.replication.factor=$REPLICATION
offsets.topic.num.partitions=16
transaction.state.log.replication.factor=$REPLICATION
transaction.state.log.min.isr=$MINIMUM_IN_SYNC
transaction.state.log.num.partitions=16
share.coordinator.state.topic.replication.factor=$REPLICATION
share.coordinator.state.topic.min.isr=$MINIMUM_IN_SYNC
# The first member of a group need not wait for others to come.
group.initial.rebalance.delay.ms=0
PROPERTIES

# Nothing of Kafka's own is written but to the volume.
export LOG_DIR=/tmp/logs
# All brokers of this compose file are of one cluster.
/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --cluster-id "${CLUSTER_ID:-dGFwbGluZS1jb21wb3NlLQ}" \
  --config /tmp/server.properties
exec /opt/kafka/bin/kafka-server-start.sh /tmp/server.properties

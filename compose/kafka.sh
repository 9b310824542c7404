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

# compose/secured.yml: who comes has a password, or, as brokers and who administers them, a certificate. What stands
# later holds.
if [ -n "${SECURED:-}" ]; then
  cat >> /tmp/server.properties <<PROPERTIES
listeners=INSIDE://:9092,CONTROLLER://:9093,OUTSIDE://:9094,BROKERS://:9095
advertised.listeners=INSIDE://$HOST:9092,OUTSIDE://$OUTSIDE,BROKERS://$HOST:9095
inter.broker.listener.name=BROKERS
listener.security.protocol.map=INSIDE:SASL_SSL,CONTROLLER:SSL,OUTSIDE:SASL_SSL,BROKERS:SSL
listener.name.brokers.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location=/run/secrets/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location=/run/secrets/ca.pem
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*\$/\$1/
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.inside.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.outside.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:broker;User:admin
PROPERTIES
fi

# Nothing of Kafka's own is written but to the volume.
export LOG_DIR=/tmp/logs
# All brokers of this compose file are of one cluster.
/opt/kafka/bin/kafka-storage.sh format --ignore-formatted --cluster-id "${CLUSTER_ID:-dGFwbGluZS1jb21wb3NlLQ}" \
  --config /tmp/server.properties
exec /opt/kafka/bin/kafka-server-start.sh /tmp/server.properties

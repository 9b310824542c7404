{{/* Tapline's configuration file, and what a pod knows from secrets. */}}

{{/* Where Kafka is and how it is spoken to, given or made by Strimzi. */}}
{{- define "tapline.kafka" -}}
{{- $kafka := deepCopy .Values.kafka -}}
{{- if .Values.strimzi.enabled -}}
{{- $cluster := printf "%s-kafka" (include "tapline.fullname" .) -}}
{{- $_ := set $kafka "bootstrap" (printf "%s-kafka-bootstrap:9093" $cluster) -}}
{{- $_ := set $kafka "securityProtocol" "SASL_SSL" -}}
{{- $_ := set $kafka "saslMechanism" "SCRAM-SHA-512" -}}
{{- $_ := set $kafka "ca" (dict "secret" (printf "%s-cluster-ca-cert" $cluster) "key" "ca.crt") -}}
{{- $users := dict "default" $kafka.users.default -}}
{{- range $user := include "tapline.strimziUsers" . | fromJsonArray -}}
{{- $name := include "tapline.strimziUser" (dict "root" $ "user" $user) -}}
{{- $_ := set $users $user (dict "username" $name "secret" $name "passwordKey" "password") -}}
{{- end -}}
{{- $_ := set $kafka "users" $users -}}
{{- end -}}
{{- toYaml $kafka -}}
{{- end }}

{{/* The users that Strimzi makes: of set-up and captures, which other releases may have, and of what else is on; as JSON. */}}
{{- define "tapline.strimziUsers" -}}
{{- $users := list "setup" "capture" -}}
{{- if .Values.workers.enabled }}{{ $users = append $users "workers" }}{{ end -}}
{{- range $exporter, $settings := .Values.exporters }}
{{- if $settings.enabled }}{{ $users = append $users $exporter }}{{ end -}}
{{- end -}}
{{- if .Values.console.enabled }}{{ $users = append $users "console" }}{{ end -}}
{{- toJson $users -}}
{{- end }}

{{/* What Strimzi calls a user, and the secret with its password. (root, user) */}}
{{- define "tapline.strimziUser" -}}
{{- $exporter := hasKey .root.Values.exporters .user -}}
{{- printf "%s-%s%s" (include "tapline.fullname" .root) (ternary "exporter-" "" $exporter) .user -}}
{{- end }}

{{/* The user of Kafka that a component is: its own, else that of all exporters, else that of all. (root, user) */}}
{{- define "tapline.kafkaUser" -}}
{{- $users := (include "tapline.kafka" .root | fromYaml).users -}}
{{- $exporters := ternary ($users.exporters | default dict) dict (hasKey .root.Values.exporters .user) -}}
{{- merge (deepCopy (index $users .user | default dict)) (deepCopy $exporters) (deepCopy $users.default) | toYaml -}}
{{- end }}

{{/* Where Elasticsearch is, given or made by ECK. */}}
{{- define "tapline.elasticsearch" -}}
{{- $elasticsearch := deepCopy .Values.elasticsearch -}}
{{- if .Values.eck.enabled -}}
{{- $cluster := include "tapline.fullname" . -}}
{{- $_ := set $elasticsearch "hosts" (list (printf "https://%s-es-http:9200" $cluster)) -}}
{{- $_ := set $elasticsearch "ca" (dict "secret" (printf "%s-es-http-certs-public" $cluster) "key" "ca.crt") -}}
{{- $user := dict "username" "elastic" "secret" (printf "%s-es-elastic-user" $cluster) "passwordKey" "elastic" "apiKeyKey" "" -}}
{{- $_ := set $elasticsearch "users" (dict "default" $user "setup" dict "exporters" dict "console" dict) -}}
{{- end -}}
{{- toYaml $elasticsearch -}}
{{- end }}

{{/* Where Kibana is, given or made by ECK. */}}
{{- define "tapline.kibana" -}}
{{- $kibana := deepCopy .Values.kibana -}}
{{- if and .Values.eck.enabled (gt (int .Values.eck.kibanaReplicas) 0) -}}
{{- $cluster := include "tapline.fullname" . -}}
{{- $_ := set $kibana "url" (printf "https://%s-kb-http:5601" $cluster) -}}
{{- $_ := set $kibana "ca" (dict "secret" (printf "%s-kb-http-certs-public" $cluster) "key" "ca.crt") -}}
{{- $_ := set $kibana "username" "elastic" -}}
{{- $_ := set $kibana "secret" (printf "%s-es-elastic-user" $cluster) -}}
{{- $_ := set $kibana "passwordKey" "elastic" -}}
{{- $_ := set $kibana "apiKeyKey" "" -}}
{{- end -}}
{{- toYaml $kibana -}}
{{- end }}

{{/* tapline.yaml */}}
{{- define "tapline.configuration" -}}
{{- $kafka := include "tapline.kafka" . | fromYaml -}}
{{- $elasticsearch := include "tapline.elasticsearch" . | fromYaml -}}
{{- $kibana := include "tapline.kibana" . | fromYaml -}}
{{- $scripts := list "/tapline/scripts/own" -}}
{{- range .Values.scripts.configMaps }}{{ $scripts = append $scripts (printf "/tapline/scripts/%s" .) }}{{ end -}}
{{- $scripts = concat $scripts .Values.scripts.folders -}}
{{- $blocks := dict
  "kafka" (dict
    "bootstrap" $kafka.bootstrap
    "prefix" $kafka.prefix
    "partitions" (int $kafka.partitions)
    "replication" (int $kafka.replication)
    "security_protocol" $kafka.securityProtocol
    "sasl_mechanism" $kafka.saslMechanism
    "ca_file" (ternary "/tapline/secrets/kafka-ca/ca.crt" "" (ne $kafka.ca.secret "")))
  "capture" (dict
    "flow_exports" (dict "templates_folder" "/tapline/state/templates")
    "snmp" (dict "engine_folder" "/tapline/state/snmp")
    "host" (dict "state_file" "/tapline/state/host.json")
    "folder" (dict "memory" "/tapline/state/folders")
    "eve" (dict "positions" "/tapline/state/positions")
    "suricata" (dict "rules" (ternary "/tapline/rules" "" (gt (len .Values.suricataRules) 0))))
  "workers" (dict
    "processes" (int .Values.workers.processes)
    "scripts" $scripts
    "agents" (list "/tapline/agents")
    "policy" (list "/tapline/policy/policy.yaml"))
  "elasticsearch" (dict
    "hosts" ($elasticsearch.hosts | default (list "http://127.0.0.1:9200"))
    "ca_file" (ternary "/tapline/secrets/elasticsearch-ca/ca.crt" "" (ne $elasticsearch.ca.secret "")))
  "kibana" (dict
    "url" $kibana.url
    "ca_file" (ternary "/tapline/secrets/kibana-ca/ca.crt" "" (ne $kibana.ca.secret "")))
  "files" (dict "folder" "/tapline/export")
  "process" (dict "metrics_host" "0.0.0.0" "log_format" "json")
-}}
{{- toYaml (mergeOverwrite $blocks (deepCopy .Values.configuration)) -}}
{{- end }}

{{/* The environment of a component: what only it may know, and where its configuration is. (root, component, hook, pods) */}}
{{- define "tapline.environment" -}}
{{- $root := .root -}}
{{- $user := include "tapline.kafkaUser" (dict "root" $root "user" .component) | fromYaml -}}
- name: TAPLINE_CONFIG
  value: /tapline/configuration/tapline.yaml
# Programs that want a home folder write there.
- name: HOME
  value: /tmp
{{- with $user.username }}
- name: TAPLINE_KAFKA__USERNAME
  value: {{ . | quote }}
{{- end }}
{{- if $user.secret }}
- name: TAPLINE_KAFKA__PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "tapline.secretName" (dict "root" $root "name" $user.secret "hook" .hook) }}
      key: {{ $user.passwordKey }}
{{- end }}
{{- if $user.certificateSecret }}
- name: TAPLINE_KAFKA__CERTIFICATE_FILE
  value: /tapline/secrets/kafka-certificate/tls.crt
- name: TAPLINE_KAFKA__KEY_FILE
  value: /tapline/secrets/kafka-certificate/tls.key
{{- end }}
{{- if has .component (list "setup" "elasticsearch" "console") }}
{{- $elasticsearch := include "tapline.elasticsearch" $root | fromYaml }}
{{- $own := index $elasticsearch.users (ternary "exporters" .component (eq .component "elasticsearch")) }}
{{- $user := merge (deepCopy ($own | default dict)) (deepCopy $elasticsearch.users.default) }}
{{- include "tapline.credentials" (dict "root" $root "hook" .hook "user" $user "block" "ELASTICSEARCH") }}
{{- end }}
{{- if eq .component "setup" }}
{{- $kibana := include "tapline.kibana" $root | fromYaml }}
{{- include "tapline.credentials" (dict "root" $root "hook" .hook "user" $kibana "block" "KIBANA") }}
{{- end }}
{{- with .pods.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* User and password, or an API key, of a block of the configuration. (root, hook, user, block) */}}
{{- define "tapline.credentials" -}}
{{- if .user.secret }}
{{- $secret := include "tapline.secretName" (dict "root" .root "name" .user.secret "hook" .hook) }}
{{- if .user.apiKeyKey }}
- name: TAPLINE_{{ .block }}__API_KEY
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ .user.apiKeyKey }}
{{- else }}
- name: TAPLINE_{{ .block }}__USER
  value: {{ .user.username | quote }}
- name: TAPLINE_{{ .block }}__PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ $secret }}
      key: {{ .user.passwordKey }}
{{- end }}
{{- end }}
{{- end }}

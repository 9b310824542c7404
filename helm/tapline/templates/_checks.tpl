{{/* What cannot work is said before anything is installed. */}}

{{- define "tapline.checks" -}}
{{- $kafka := include "tapline.kafka" . | fromYaml -}}
{{- if not $kafka.bootstrap -}}
{{- fail "kafka.bootstrap is empty: set it to where the brokers are, or strimzi.enabled to have some installed" -}}
{{- end -}}
{{- $elasticsearch := include "tapline.elasticsearch" . | fromYaml -}}
{{- $wanted := or .Values.exporters.elasticsearch.enabled (and .Values.setup.enabled .Values.setup.elasticsearch) .Values.console.enabled -}}
{{- if and $wanted (not $elasticsearch.hosts) -}}
{{- fail "elasticsearch.hosts is empty: set it to where Elasticsearch is, or eck.enabled to have one installed; without any, set exporters.elasticsearch.enabled and setup.elasticsearch to false" -}}
{{- end -}}
{{- if .Values.workers.enabled -}}
{{- if and .Values.workers.autoscaling.enabled .Values.workers.keda.enabled -}}
{{- fail "workers.autoscaling and workers.keda would both change the number of workers: enable one of them" -}}
{{- end -}}
{{- $most := int .Values.workers.replicas -}}
{{- $key := "workers.replicas" -}}
{{- if .Values.workers.autoscaling.enabled }}{{ $most = int .Values.workers.autoscaling.maxReplicas }}{{ $key = "workers.autoscaling.maxReplicas" }}{{ end -}}
{{- if .Values.workers.keda.enabled }}{{ $most = int .Values.workers.keda.maxReplicas }}{{ $key = "workers.keda.maxReplicas" }}{{ end -}}
{{- if gt (mul $most (int .Values.workers.processes)) (int .Values.kafka.partitions) -}}
{{- fail (printf "%s (%d) times workers.processes (%d) is more than kafka.partitions (%d): the workers beyond would have nothing to do and never be ready" $key $most (int .Values.workers.processes) (int .Values.kafka.partitions)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.exporters.files.enabled (gt (int .Values.exporters.files.replicas) 1) (not .Values.exporters.files.storage.existingClaim) -}}
{{- fail "exporters.files.replicas is more than 1: those who share the work have to share the folder, so set exporters.files.storage.existingClaim to a claim that many nodes can write to" -}}
{{- end -}}
{{- if and .Values.console.ingress.enabled (not .Values.console.ingress.host) -}}
{{- fail "console.ingress.host is empty: set it to the name by which browsers ask for the console" -}}
{{- end -}}
{{- with .Values.console.openid -}}
{{- if and .issuer (not .clientId) -}}
{{- fail "console.openid.clientId is empty: set it to what the provider calls the console" -}}
{{- end -}}
{{- if and .issuer (not (concat .administrators .operators .viewers)) -}}
{{- fail (printf "nobody may log in by OpenID: set in console.openid.administrators, operators or viewers which values of %s do" .roleClaim) -}}
{{- end -}}
{{- end -}}
{{- $given := dig "openid" "client_secret" "" (.Values.configuration.console | default dict) -}}
{{- if not (regexMatch "^((env|file):.*)?$" $given) -}}
{{- fail "configuration.console.openid.client_secret would stand in a ConfigMap: have console.openid.secret name a secret that holds it" -}}
{{- end -}}
{{- if and .Values.strimzi.enabled (gt (int .Values.kafka.replication) (int .Values.strimzi.replicas)) -}}
{{- fail (printf "kafka.replication (%d) is more than strimzi.replicas (%d): there have to be as many brokers as keep each record" (int .Values.kafka.replication) (int .Values.strimzi.replicas)) -}}
{{- end -}}
{{- range $name, $given := .Values.captures -}}
{{- $capture := mergeOverwrite (deepCopy $.Values.captureDefaults) (deepCopy ($given | default dict)) -}}
{{- if and $capture.enabled (not $capture.sources) -}}
{{- fail (printf "captures.%s.sources is empty: say what it captures, as [eth0]" $name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* What the pods of all components have in common. */}}

{{/* What a component's pods have, laid over what all pods have. (root, pods) */}}
{{- define "tapline.podSettings" -}}
{{- toYaml (mergeOverwrite (deepCopy .root.Values.pods) (deepCopy (.pods | default dict))) -}}
{{- end }}

{{/*
A pod's template: metadata and spec.
root; component: the label; user: whose rights it has (setup, capture, workers, an exporter's, console); image; pods: its
settings; arguments: of `tapline`; ports: name, containerPort, protocol; liveness and readiness: path and port;
volumes and volumeMounts: its own; env: its own; annotations: its own; hook; packets: capabilities, where it opens
interfaces; hostNetwork; spread: whether it is spread over nodes; restartPolicy; before: arguments of what runs first.
*/}}
{{- define "tapline.pod" -}}
{{- $root := .root -}}
{{- $pods := include "tapline.podSettings" (dict "root" $root "pods" .pods) | fromYaml -}}
{{- $hook := .hook | default "false" -}}
metadata:
  labels:
    {{- include "tapline.labels" (dict "root" $root "component" .component) | nindent 4 }}
    {{- with $pods.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/configuration: {{ include "tapline.configuration" $root | sha256sum }}
    checksum/secrets: {{ toYaml $root.Values.secrets | sha256sum }}
    {{- with .annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $pods.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  # A hook runs before the chart's own account is there.
  serviceAccountName: {{ ternary ($root.Values.serviceAccount.create | ternary "default" (include "tapline.serviceAccountName" $root)) (include "tapline.serviceAccountName" $root) (eq $hook "true") }}
  automountServiceAccountToken: false
  # Variables of services would begin like those of the configuration.
  enableServiceLinks: false
  {{- if .hostNetwork }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $pods.terminationGracePeriodSeconds }}
  {{- with $pods.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ $root.Values.user.id }}
    runAsGroup: {{ $root.Values.user.group }}
    fsGroup: {{ $root.Values.user.group }}
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with $pods.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pods.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $pods.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if and .spread $pods.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range $constraint := $pods.topologySpreadConstraints }}
    {{- $own := dict "labelSelector" (dict "matchLabels" (include "tapline.selectorLabels" (dict "root" $root "component" $.component) | fromYaml)) }}
    - {{- toYaml (merge (deepCopy $constraint) $own) | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- with .before }}
  initContainers:
    {{- range . }}
    - name: {{ .name }}
      args: {{ toJson .arguments }}
      {{- include "tapline.container" (dict "call" $ "pods" $pods "hook" $hook) | nindent 6 }}
    {{- end }}
  {{- end }}
  containers:
    - name: tapline
      args: {{ toJson .arguments }}
      {{- include "tapline.container" (dict "call" . "pods" $pods "hook" $hook) | nindent 6 }}
      {{- with .ports }}
      ports:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .liveness }}
      livenessProbe:
        httpGet:
          {{- toYaml . | nindent 10 }}
        initialDelaySeconds: 15
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      {{- end }}
      {{- with .readiness }}
      readinessProbe:
        httpGet:
          {{- toYaml . | nindent 10 }}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      {{- end }}
  volumes:
    - name: configuration
      configMap:
        name: {{ include "tapline.fullname" $root }}{{ ternary "-setup" "" (eq $hook "true") }}
    - name: temporary
      emptyDir:
        sizeLimit: {{ $pods.temporarySize }}
    {{- include "tapline.secretVolumes" (dict "root" $root "user" .user "hook" $hook) | nindent 4 }}
    {{- with .volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $pods.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* What all containers of a pod have. (call: as of tapline.pod, pods, hook) */}}
{{- define "tapline.container" -}}
{{- $root := .call.root -}}
image: {{ include "tapline.image" (dict "root" $root "image" .call.image) }}
imagePullPolicy: {{ .call.image.pullPolicy }}
command: [tapline]
env:
  {{- include "tapline.environment" (dict "root" $root "component" .call.user "hook" .hook "pods" .pods) | nindent 2 }}
  {{- with .call.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .pods.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  readOnlyRootFilesystem: true
  {{- if .call.packets }}
  # The right to open interfaces is on the image's files; a process that may not gain rights would not get it.
  allowPrivilegeEscalation: true
  {{- else }}
  allowPrivilegeEscalation: false
  {{- end }}
  capabilities:
    drop: [ALL]
    {{- with .call.packets }}
    add: {{ toJson . }}
    {{- end }}
{{- with .pods.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumeMounts:
  - name: configuration
    mountPath: /tapline/configuration
    readOnly: true
  - name: temporary
    mountPath: /tmp
  {{- include "tapline.secretMounts" (dict "root" $root "user" .call.user) | nindent 2 }}
  {{- with .call.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .pods.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Certificates, as files. (root, user, hook) */}}
{{- define "tapline.secretVolumes" -}}
{{- $root := .root -}}
{{- $hook := .hook -}}
{{- $kafka := include "tapline.kafka" $root | fromYaml -}}
{{- $elasticsearch := include "tapline.elasticsearch" $root | fromYaml -}}
{{- $kibana := include "tapline.kibana" $root | fromYaml -}}
{{- $user := include "tapline.kafkaUser" (dict "root" $root "user" .user) | fromYaml -}}
{{- range $name, $ca := dict "kafka-ca" $kafka.ca "elasticsearch-ca" $elasticsearch.ca "kibana-ca" $kibana.ca }}
{{- if $ca.secret }}
- name: {{ $name }}
  secret:
    secretName: {{ include "tapline.secretName" (dict "root" $root "name" $ca.secret "hook" $hook) }}
    items: [{key: {{ $ca.key | quote }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- if $user.certificateSecret }}
- name: kafka-certificate
  secret:
    secretName: {{ include "tapline.secretName" (dict "root" $root "name" $user.certificateSecret "hook" $hook) }}
    defaultMode: 0440
    items:
      - {key: {{ $user.certificateKey | quote }}, path: tls.crt}
      - {key: {{ $user.privateKeyKey | quote }}, path: tls.key}
{{- end }}
{{- end }}

{{/* Where these are mounted. (root, user) */}}
{{- define "tapline.secretMounts" -}}
{{- range (include "tapline.secretVolumes" (dict "root" .root "user" .user "hook" "false") | fromYamlArray) }}
- name: {{ .name }}
  mountPath: /tapline/secrets/{{ .name }}
  readOnly: true
{{- end }}
{{- end }}

{{/* A budget for evictions, where there is more than one pod. (root, component, replicas, budget) */}}
{{- define "tapline.disruptionBudget" -}}
{{- if and .budget.enabled (gt (int .replicas) 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "tapline.fullname" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "tapline.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .budget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "tapline.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}

{{/* A service without an address, so that /metrics of each pod can be found. (root, component, ports) */}}
{{- define "tapline.metricsService" -}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "tapline.fullname" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "tapline.labels" . | nindent 4 }}
    tapline/metrics: "true"
spec:
  type: ClusterIP
  clusterIP: None
  selector:
    {{- include "tapline.selectorLabels" . | nindent 4 }}
  ports:
    {{- range .ports }}
    - name: {{ .name }}
      port: {{ .containerPort }}
      targetPort: {{ .name }}
    {{- end }}
{{- end }}

{{/* The claims of a StatefulSet's pods. (name, storage) */}}
{{- define "tapline.claims" -}}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ ternary "Retain" "Delete" .storage.keep }}
  whenScaled: Retain
volumeClaimTemplates:
  - metadata:
      name: {{ .name }}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .storage.storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests:
          storage: {{ .storage.size }}
{{- end }}

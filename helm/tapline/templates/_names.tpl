{{/* How the resources are called and what they are labelled with. */}}

{{/* Short enough for a StatefulSet's: 52 characters, of which a capture's name takes up to 24. */}}
{{- define "tapline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 28 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 28 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 28 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Labels by which the pods of a component are found; they never change. (root, component) */}}
{{- define "tapline.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of a resource. (root, component) */}}
{{- define "tapline.labels" -}}
{{ include "tapline.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: tapline
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "tapline.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{- .Values.serviceAccount.name -}}
{{- else -}}
{{- ternary (include "tapline.fullname" .) "default" .Values.serviceAccount.create -}}
{{- end -}}
{{- end }}

{{/* An image with its tag or digest. (root, image) */}}
{{- define "tapline.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/* The name of a secret: one that the chart makes, or one that is there. `hook`: the copy for set-up. (root, name, hook) */}}
{{- define "tapline.secretName" -}}
{{- if hasKey .root.Values.secrets .name -}}
{{- printf "%s%s-%s" (include "tapline.fullname" .root) (ternary "-setup" "" (eq .hook "true")) .name -}}
{{- else -}}
{{- .name -}}
{{- end -}}
{{- end }}

{{/* "true" where set-up runs as a hook, before everything else: not where the chart installs the engines themselves. */}}
{{- define "tapline.setupIsHook" -}}
{{- if or .Values.strimzi.enabled .Values.eck.enabled -}}false{{- else -}}true{{- end -}}
{{- end }}

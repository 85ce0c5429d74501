{{/* Names and labels; those of NVIDIA's chart with nameOverride=nvidia-device-plugin, so that either
chart can upgrade a release of the other in place. */}}
{{- define "gpunode.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "gpunode.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "gpunode.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "gpunode.serviceAccount" -}}
{{- include "gpunode.fullname" . }}-service-account
{{- end }}

{{/* Of what no namespace keeps apart. */}}
{{- define "gpunode.clusterName" -}}
{{- printf "%s:%s" (include "gpunode.namespace" .) (include "gpunode.fullname" .) }}
{{- end }}

{{- define "gpunode.podLabels" -}}
app.kubernetes.io/name: {{ include "gpunode.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- with .Values.selectorLabelsOverride }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gpunode.selectorLabels" -}}
{{- if .Values.selectorLabelsOverride }}
{{- toYaml .Values.selectorLabelsOverride }}
{{- else }}
{{- include "gpunode.podLabels" . }}
{{- end }}
{{- end }}

{{- define "gpunode.labels" -}}
helm.sh/chart: {{ printf "%s-%s" (include "gpunode.name" .) .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "gpunode.podLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* "true" if the values name NVIDIA's image: its repository, a mirror of it, or, with no repository
of one's own, a tag of its form. */}}
{{- define "gpunode.namesPeersImage" -}}
{{- $repository := .Values.image.repository }}
{{- $ours := eq $repository "gpunode.example/gpunode-agent" }}
{{- if or (regexMatch "(^|/)(k8s-device-plugin|gpu-feature-discovery)(@.*|:.*)?$" $repository) (and $ours (regexMatch "^v0\\.[0-9]+\\." .Values.image.tag)) }}true{{ end }}
{{- end }}

{{- define "gpunode.image" -}}
{{- if include "gpunode.namesPeersImage" . -}}
gpunode.example/gpunode-agent:{{ .Chart.AppVersion }}
{{- else if contains "@" .Values.image.repository -}}
{{ .Values.image.repository }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* What the configuration may come to need of the node. Each is "true" or nothing. */}}

{{- define "gpunode.configMapName" -}}
{{- if .Values.config.name }}
{{- .Values.config.name }}
{{- else if .Values.config.map }}
{{- include "gpunode.fullname" . }}-configs
{{- end }}
{{- end }}

{{/* With one configuration there is nothing that a node's label could choose. */}}
{{- define "gpunode.choosesByLabel" -}}
{{- if and .Values.devicePlugin.enabled (or .Values.config.name (gt (len (.Values.config.map | default dict)) 1)) }}true{{ end }}
{{- end }}

{{/* NVIDIA's value, of its charts before 0.19. */}}
{{- define "gpunode.usesNodeFeatureApi" -}}
{{- if eq (toString (.Values.nfd | default dict).enableNodeFeatureApi) "true" }}true{{ end }}
{{- end }}

{{/* Where the agent puts labels: "file", "node", "nodefeature" or nothing. A container of its own for
them is for a node without the plugin, and for what they alone may do. */}}
{{- define "gpunode.labelsTarget" -}}
{{- if .Values.devicePlugin.enabled }}
{{- $byGfd := ternary "nodefeature" "file" (eq (include "gpunode.usesNodeFeatureApi" .) "true") }}
{{- .Values.labels | default (ternary $byGfd "" (and .Values.gfd.enabled (not .Values.gfd.securityContext))) }}
{{- end }}
{{- end }}

{{- define "gpunode.hasLabelsContainer" -}}
{{- if and .Values.gfd.enabled (not (include "gpunode.labelsTarget" .)) }}true{{ end }}
{{- end }}

{{/* "take-over", "give-back" or nothing. */}}
{{- define "gpunode.succession" -}}
{{- if .Values.devicePlugin.enabled }}
{{- if eq (toString .Values.takeOver) "true" }}take-over{{ end }}
{{- if eq (toString .Values.takeOver) "give-back" }}give-back{{ end }}
{{- end }}
{{- end }}

{{- define "gpunode.writesNode" -}}
{{- if or (include "gpunode.choosesByLabel" .) (eq (include "gpunode.labelsTarget" .) "node") (include "gpunode.succession" .) }}true{{ end }}
{{- end }}

{{- define "gpunode.writesNodeFeature" -}}
{{- if or (eq (include "gpunode.labelsTarget" .) "nodefeature") (and (include "gpunode.hasLabelsContainer" .) (include "gpunode.usesNodeFeatureApi" .)) }}true{{ end }}
{{- end }}

{{/* The feature file, by the agent or by a container of its own. */}}
{{- define "gpunode.writesFeatureFile" -}}
{{- if or (eq (include "gpunode.labelsTarget" .) "file") (and (include "gpunode.hasLabelsContainer" .) (not (include "gpunode.usesNodeFeatureApi" .))) }}true{{ end }}
{{- end }}

{{/* Pods' priorities say whose turn comes first. What an external map has cannot be seen: then the value says. */}}
{{- define "gpunode.asksPods" -}}
{{- if not .Values.devicePlugin.enabled }}
{{- else if eq (toString .Values.readPods) "true" }}true
{{- else }}
{{- $asks := false }}
{{- range .Values.config.map }}
{{- $sharing := (fromYaml .).sharing }}
{{- $shares := ternary $sharing dict (kindIs "map" $sharing) | dig "shares" dict }}
{{- if and (kindIs "map" $shares) (eq (toString (get $shares "priority")) "pod") }}{{ $asks = true }}{{ end }}
{{- end }}
{{- if $asks }}true{{ end }}
{{- end }}
{{- end }}

{{/* The right to any Pod is not given where somebody gives it by namespace. */}}
{{- define "gpunode.readsPods" -}}
{{- if ne (toString .Values.readPods) "false" }}{{ include "gpunode.asksPods" . }}{{ end }}
{{- end }}

{{- define "gpunode.asksApi" -}}
{{- if or (include "gpunode.writesNode" .) (include "gpunode.writesNodeFeature" .) (include "gpunode.asksPods" .) }}true{{ end }}
{{- end }}

{{/* MIG devices are shown to nobody without SYS_ADMIN. What an external map has cannot be seen. */}}
{{- define "gpunode.mayUseMig" -}}
{{- if .Values.migStrategy }}
{{- if ne .Values.migStrategy "none" }}true{{ end }}
{{- else if .Values.config.name }}true
{{- else }}
{{- range .Values.config.map }}
{{- $flags := (fromYaml .).flags | default dict }}
{{- if ne ($flags.migStrategy | default "none") "none" }}true{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* `strategy` may be chosen by the values or by a configuration. */}}
{{- define "gpunode.mayUseStrategy" -}}
{{- $strategy := .strategy }}
{{- if .values.deviceListStrategy }}
{{- if contains $strategy .values.deviceListStrategy }}true{{ end }}
{{- else if .values.config.name }}true
{{- else }}
{{- range .values.config.map }}
{{- $plugin := ((fromYaml .).flags | default dict).plugin | default dict }}
{{- if contains $strategy (toString $plugin.deviceListStrategy) }}true{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "gpunode.mayWriteCdi" -}}
{{- include "gpunode.mayUseStrategy" (dict "values" .Values "strategy" "cdi-") }}
{{- end }}

{{/* Where the agent's own container must be more than an ordinary one to be given the GPUs: for MIG
devices, and where the runtime takes nobody's word but a mount's. */}}
{{- define "gpunode.needsSysAdmin" -}}
{{- include "gpunode.mayUseMig" . }}
{{- include "gpunode.mayUseStrategy" (dict "values" .Values "strategy" "volume-mounts") }}
{{- end }}

{{/* Containers may be held to shares. What an external map has cannot be seen: then the value says. */}}
{{- define "gpunode.mayShare" -}}
{{- if not .Values.devicePlugin.enabled }}
{{- else if kindIs "bool" .Values.shares }}
{{- if .Values.shares }}true{{ end }}
{{- else }}
{{- range .Values.config.map }}
{{- $sharing := (fromYaml .).sharing | default dict }}
{{- $limits := ($sharing.timeSlicing | default dict).limits | default "none" }}
{{- if or $sharing.shares (ne $limits "none") }}true{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{/* An external map may hold shares: without the host's directories their containers would get nothing. */}}
{{- define "gpunode.keepsGrants" -}}
{{- if include "gpunode.mayShare" . }}true
{{- else if and .Values.devicePlugin.enabled .Values.config.name (not (kindIs "bool" .Values.shares)) }}true{{ end }}
{{- end }}

{{- define "gpunode.writesHostState" -}}
{{- if or (kindIs "bool" .Values.requireAllocation) (include "gpunode.keepsGrants" .) }}true{{ end }}
{{- end }}

{{- define "gpunode.seLinuxType" -}}
{{- if kindIs "string" .Values.seLinuxType }}
{{- .Values.seLinuxType }}
{{- else if or (include "gpunode.mayWriteCdi" .) (include "gpunode.writesHostState" .) (eq (include "gpunode.labelsTarget" .) "file") -}}
spc_t
{{- else -}}
container_device_plugin_t
{{- end }}
{{- end }}

{{- define "gpunode.securityContext" -}}
{{- if .Values.securityContext }}
{{- toYaml .Values.securityContext }}
{{- else }}
{{- if .Values.compatWithCPUManager -}}
# A CPU manager takes the devices from a container whose runtime gave them behind its back.
privileged: true
{{- else if include "gpunode.needsSysAdmin" . -}}
capabilities:
  drop: ["ALL"]
  add: ["SYS_ADMIN"]
{{- else -}}
allowPrivilegeEscalation: false
capabilities:
  drop: ["ALL"]
{{- end }}
readOnlyRootFilesystem: true
seccompProfile:
  type: RuntimeDefault
{{- with include "gpunode.seLinuxType" . }}
seLinuxOptions:
  type: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* The agent's variables, by the names of NVIDIA's chart. Those whose value is null are left to the
configuration. */}}
{{- define "gpunode.ownEnv" -}}
{{- $v := .Values }}
{{- $text := list
  (list "MPS_ROOT" $v.mps.root)
  (list "MIG_STRATEGY" $v.migStrategy)
  (list "FAIL_ON_INIT_ERROR" $v.failOnInitError)
  (list "PASS_DEVICE_SPECS" $v.compatWithCPUManager)
  (list "DEVICE_LIST_STRATEGY" $v.deviceListStrategy)
  (list "DEVICE_ID_STRATEGY" $v.deviceIDStrategy)
  (list "NVIDIA_DRIVER_ROOT" $v.nvidiaDriverRoot)
  (list "NVIDIA_DEV_ROOT" $v.nvidiaDevRoot)
  (list "NVIDIA_CDI_HOOK_PATH" $v.cdi.nvidiaHookPath)
  (list "CDI_FEATURE_FLAGS" $v.cdi.featureFlags)
  (list "GDRCOPY_ENABLED" $v.gdrcopyEnabled)
  (list "GDS_ENABLED" $v.gdsEnabled)
  (list "MOFED_ENABLED" $v.mofedEnabled)
  (list "DEVICE_DISCOVERY_STRATEGY" $v.deviceDiscoveryStrategy)
  (list "SHARED_DEVICES_ALLOCATION_POLICY" $v.sharedDevicesAllocationPolicy)
  (list "GPUNODE_REQUIRE_ALLOCATION" $v.requireAllocation)
  (list "GPUNODE_ENABLE_CUSTOM_SHARING" $v.enableCustomSharing)
  (list "GPUNODE_HEALTH_QUIET_PERIOD" $v.healthQuietPeriod)
  (list "GPUNODE_LISTEN_ADDRESS" ($v.listenAddress | default nil))
  (list "GPUNODE_LOG_LEVEL" $v.logLevel)
  (list "GPUNODE_STRICT" $v.strict)
  (list "GPUNODE_LABELS" (include "gpunode.labelsTarget" . | default nil))
  (list "GPUNODE_TAKE_OVER" (ternary true nil (eq (include "gpunode.succession" .) "take-over")))
  (list "GPUNODE_GIVE_BACK" (ternary true nil (eq (include "gpunode.succession" .) "give-back")))
  (list "GFD_NO_TIMESTAMP" (ternary (ternary $v.gfd.noTimestamp $v.noTimestamp (kindIs "bool" $v.gfd.noTimestamp)) nil (ne (include "gpunode.labelsTarget" .) "")))
}}
{{- range $text }}
{{- if not (kindIs "invalid" (index . 1)) }}
- name: {{ index . 0 }}
  value: {{ index . 1 | toString | quote }}
{{- end }}
{{- end }}
{{- if eq (include "gpunode.labelsTarget" .) "nodefeature" }}
{{- include "gpunode.nodeFeatureEnv" . }}
{{- else if include "gpunode.writesNode" . }}
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
{{- end }}
{{- if include "gpunode.choosesByLabel" . }}
- name: CONFIG_FILE_SRCDIR
  value: /available-configs
{{- with $v.config.default }}
- name: DEFAULT_CONFIG
  value: {{ . | quote }}
{{- end }}
{{- with $v.config.fallbackStrategies }}
- name: FALLBACK_STRATEGIES
  value: {{ join "," . | quote }}
{{- end }}
{{- else }}
{{- with include "gpunode.chosenConfig" . }}
- name: CONFIG_FILE
  value: /available-configs/{{ . }}
{{- end }}
{{- end }}
{{- if include "gpunode.mayUseMig" . }}
- name: NVIDIA_MIG_MONITOR_DEVICES
  value: all
{{- end }}
# To the container runtime: this container sees every GPU, to watch over it.
- name: NVIDIA_VISIBLE_DEVICES
  value: all
- name: NVIDIA_DRIVER_CAPABILITIES
  value: compute,utility
{{- end }}

{{/* Whose NodeFeature object it is, and who owns it. */}}
{{- define "gpunode.nodeFeatureEnv" }}
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end }}

{{- define "gpunode.env" -}}
{{- include "gpunode.ownEnv" . | trim }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The configuration of a node that says nothing: the default, or what a fallback finds. */}}
{{- define "gpunode.chosenConfig" -}}
{{- $config := .Values.config }}
{{- $chosen := $config.default }}
{{- $map := $config.map | default dict }}
{{- range $config.fallbackStrategies }}
{{- if $chosen }}
{{- else if and (eq . "named") (hasKey $map "default") }}
{{- $chosen = "default" }}
{{- else if and (eq . "single") (eq (len $map) 1) }}
{{- $chosen = keys $map | first }}
{{- end }}
{{- end }}
{{- $chosen }}
{{- end }}

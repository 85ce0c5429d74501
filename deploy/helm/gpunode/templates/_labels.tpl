{{/* The labels of GPU feature discovery: the agent's program under that name, writing the feature file
that Node Feature Discovery's worker reads, or the node's NodeFeature object. */}}
{{- define "gpunode.labelsContainer" -}}
{{- $gfd := .Values.gfd -}}
- name: gpunode-labels
  image: {{ include "gpunode.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: ["/usr/bin/gpu-feature-discovery"]
  env:
    - name: GFD_USE_NODE_FEATURE_API
      value: {{ ternary "true" "false" (eq (include "gpunode.usesNodeFeatureApi" .) "true") | quote }}
    {{- if include "gpunode.usesNodeFeatureApi" . }}
    {{- include "gpunode.nodeFeatureEnv" . | trim | nindent 4 }}
    {{- end }}
    {{- $noTimestamp := ternary $gfd.noTimestamp .Values.noTimestamp (kindIs "bool" $gfd.noTimestamp) }}
    {{- $strategy := ternary nil .Values.deviceDiscoveryStrategy (eq (toString .Values.deviceDiscoveryStrategy) "tegra") }}
    {{- range list
        (list "MIG_STRATEGY" .Values.migStrategy)
        (list "FAIL_ON_INIT_ERROR" .Values.failOnInitError)
        (list "GFD_NO_TIMESTAMP" $noTimestamp)
        (list "GFD_SLEEP_INTERVAL" ($gfd.sleepInterval | default .Values.sleepInterval))
        (list "DEVICE_DISCOVERY_STRATEGY" $strategy)
        (list "GPUNODE_LOG_LEVEL" .Values.logLevel)
        (list "GPUNODE_STRICT" .Values.strict) }}
    {{- if not (kindIs "invalid" (index . 1)) }}
    - name: {{ index . 0 }}
      value: {{ index . 1 | toString | quote }}
    {{- end }}
    {{- end }}
    {{- with include "gpunode.chosenConfig" . }}
    - name: CONFIG_FILE
      value: /available-configs/{{ . }}
    {{- end }}
    {{- if include "gpunode.mayUseMig" . }}
    - name: NVIDIA_MIG_MONITOR_DEVICES
      value: all
    {{- end }}
    - name: NVIDIA_VISIBLE_DEVICES
      value: all
    - name: NVIDIA_DRIVER_CAPABILITIES
      value: compute,utility
    {{- with .Values.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  securityContext:
    {{- if $gfd.securityContext }}
    {{- toYaml $gfd.securityContext | nindent 4 }}
    {{- else }}
    {{- if include "gpunode.mayUseMig" . }}
    capabilities:
      drop: ["ALL"]
      add: ["SYS_ADMIN"]
    {{- else }}
    allowPrivilegeEscalation: false
    capabilities:
      drop: ["ALL"]
    {{- end }}
    readOnlyRootFilesystem: true
    seccompProfile:
      type: RuntimeDefault
    {{- with ternary .Values.seLinuxType "spc_t" (kindIs "string" .Values.seLinuxType) }}
    seLinuxOptions:
      type: {{ . }}
    {{- end }}
    {{- end }}
  terminationMessagePolicy: FallbackToLogsOnError
  {{- with $gfd.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    {{- if include "gpunode.writesFeatureFile" . }}
    - name: features
      mountPath: /etc/kubernetes/node-feature-discovery/features.d
    {{- end }}
    {{- if include "gpunode.configMapName" . }}
    - name: available-configs
      mountPath: /available-configs
      readOnly: true
    {{- end }}
    {{- if .Values.nvidiaDriverRoot }}
    - name: driver-root
      mountPath: /driver-root
      readOnly: true
    {{- end }}
{{- end }}

{{/* The agent: the device plugin of a node. */}}
{{- define "gpunode.agentContainer" -}}
{{- $configMap := include "gpunode.configMapName" . -}}
- name: gpunode-agent
  image: {{ include "gpunode.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: ["/usr/bin/gpunode-agent"]
  env:
    {{- include "gpunode.env" . | nindent 4 }}
  securityContext:
    {{- include "gpunode.securityContext" . | nindent 4 }}
  # The last words of an agent that ended are in the Pod's status.
  terminationMessagePolicy: FallbackToLogsOnError
  {{- with .Values.listenAddress }}
  {{- $port := regexFind "[0-9]+$" . | int }}
  ports:
    - name: metrics
      containerPort: {{ $port }}
  # A node without a driver is not ready, and nothing to restart.
  livenessProbe:
    httpGet:
      path: /healthz
      port: {{ $port }}
    periodSeconds: 20
    timeoutSeconds: 5
  {{- end }}
  {{- with .Values.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: device-plugins
      mountPath: /var/lib/kubelet/device-plugins
    # Asked which Pods hold what: for gpunode status on the node, and where there are shares.
    - name: pod-resources
      mountPath: /var/lib/kubelet/pod-resources
      readOnly: true
    {{- if $configMap }}
    - name: available-configs
      mountPath: /available-configs
      readOnly: true
    {{- end }}
    {{- if eq (include "gpunode.labelsTarget" .) "file" }}
    - name: features
      mountPath: /etc/kubernetes/node-feature-discovery/features.d
    {{- end }}
    {{- if include "gpunode.choosesByLabel" . }}
    # The last choice: an agent that starts while the API server is away begins with it.
    - name: state
      mountPath: /run/gpunode
    {{- end }}
    {{- if or .Values.nvidiaDriverRoot (include "gpunode.mayWriteCdi" .) }}
    - name: driver-root
      mountPath: /driver-root
      readOnly: true
    {{- end }}
    {{- if include "gpunode.mayWriteCdi" . }}
    - name: cdi
      mountPath: /var/run/cdi
    {{- end }}
    {{- if .Values.mps.externalDaemon }}
    - name: mps-root
      mountPath: /mps
    - name: mps-shm
      mountPath: /dev/shm
    {{- end }}
    {{- if include "gpunode.writesHostState" . }}
    - name: gpunode
      mountPath: /var/lib/gpunode
    {{- end }}
    {{- if include "gpunode.keepsGrants" . }}
    # What containers are held to: where their own mounts come from.
    - name: allocations
      mountPath: /run/gpunode/allocations
    {{- end }}
{{- end }}

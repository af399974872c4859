{{- define "dirtymap.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "dirtymap.selector" -}}
app.kubernetes.io/name: dirtymap
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "dirtymap.metadata" -}}
name: {{ include "dirtymap.name" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "dirtymap.selector" . | nindent 2 }}
  app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /*
  Every certificate of the gateway. What it says comes from the one-time token alone, which the gateway signs (.Token, and .Subject and
  .SANs, which are the token's too); nothing is taken from the certificate request but its key.

  user.usage "client": who a peer speaks for: grantId, subjectUserId, host; oidArc and crlUrl where they are given
  user.usage "server": the names of a listener, in the token's sans
*/ -}}
{{- $user := .Token.user -}}
{{- if not $user }}{{ fail "the token has no user" }}{{ end -}}
{{- if eq (toString $user.usage) "client" -}}
  {{- range $name := list "grantId" "subjectUserId" "host" -}}
    {{- $value := get $user $name -}}
    {{- if or (not (kindIs "string" $value)) (eq (toString $value) "") }}{{ fail (printf "user.%s is missing" $name) }}{{ end -}}
  {{- end -}}
  {{- if ne .Subject.CommonName $user.grantId }}{{ fail "sub is not the grant" }}{{ end -}}
  {{- $arc := default "1.3.6.1.4.1.32473.1" $user.oidArc -}}
{
  "subject": {{ toJson .Subject }},
  "sans": [
    {"type": {{ toJson (printf "%s.1" $arc) }}, "value": {{ toJson (printf "utf8:%s" $user.grantId) }}},
    {"type": {{ toJson (printf "%s.2" $arc) }}, "value": {{ toJson (printf "utf8:%s" $user.subjectUserId) }}},
    {"type": "uri", "value": {{ toJson (printf "mosaic://%s/grants/%s" $user.host $user.grantId) }}}
  ],
  {{- if $user.crlUrl }}
  "crlDistributionPoints": [{{ toJson $user.crlUrl }}],
  {{- end }}
  "basicConstraints": {"isCA": false},
  "keyUsage": ["digitalSignature"],
  "extKeyUsage": ["clientAuth"]
}
{{- else if eq (toString $user.usage) "server" -}}
{
  "subject": {{ toJson .Subject }},
  "sans": {{ toJson .SANs }},
  {{- if $user.crlUrl }}
  "crlDistributionPoints": [{{ toJson $user.crlUrl }}],
  {{- end }}
  "basicConstraints": {"isCA": false},
  "keyUsage": ["digitalSignature"],
  "extKeyUsage": ["serverAuth"]
}
{{- else }}{{ fail "user.usage is neither client nor server" }}{{ end }}

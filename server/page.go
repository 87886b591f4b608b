package server

import (
	"html/template"
	"net/http"
)

// page tells where things are. It is no user interface and says so.
var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Perdure</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}
td{padding:.2rem 1rem .2rem 0;vertical-align:top}code{background:#8882;padding:.1rem .3rem;border-radius:.2rem}</style>
<h1>Perdure {{.Version}}</h1>
<p>The server is running. It has no web interface of its own yet; the official Web UI works against the gRPC address.</p>
<table>
<tr><td>gRPC<td><code>{{.GRPC}}</code> for SDKs, the CLI and the Web UI
<tr><td>HTTP/JSON<td><a href="http://{{.HTTP}}/api/v1/namespaces">http://{{.HTTP}}/api/v1</a>
<tr><td>Metrics<td><a href="http://{{.Metrics}}/metrics">http://{{.Metrics}}/metrics</a>
<tr><td>Health<td><a href="http://{{.Metrics}}/healthz">http://{{.Metrics}}/healthz</a>
<tr><td>Profiles<td><a href="http://{{.Metrics}}/debug/pprof/">http://{{.Metrics}}/debug/pprof/</a>
<tr><td>Store<td>{{.Store}}
</table>
</html>
`))

// pageHandler serves the page at / and nothing else.
func pageHandler(ready Ready) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, ready) // the client has gone: nobody is left to tell
	})
	return mux
}

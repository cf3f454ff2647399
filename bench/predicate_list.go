// Implements the predicates in the language of expr-lang, and a record in its form.

package main

import "github.com/skepbpf/skep/event/cel/celtest"

// exprTexts has what the predicates in CEL are in the language of expr-lang, where it can say the same.
var exprTexts = map[string]string{
	`Status >= 500u`: `Status >= 500`,
	`Status == 200u || Status == 404u || Status == 503u`:                          `Status == 200 || Status == 404 || Status == 503`,
	`Method == "POST" && Bytes > 4096`:                                            `Method == "POST" && Bytes > 4096`,
	`Method in ["GET", "HEAD", "OPTIONS"]`:                                        `Method in ["GET", "HEAD", "OPTIONS"]`,
	`Path.startsWith("/api/") && !Retry`:                                          `Path startsWith "/api/" && !Retry`,
	`Path.endsWith(".js") || Path.endsWith(".css")`:                               `Path endsWith ".js" || Path endsWith ".css"`,
	`Agent.contains("bot")`:                                                       `Agent contains "bot"`,
	`Path.matches("^/api/v[0-9]+/")`:                                              `Path matches "^/api/v[0-9]+/"`,
	`Latency > 0.25 && Latency < 2.0`:                                             `Latency > 0.25 && Latency < 2.0`,
	`Latency >= 1 || Ratio != 0.5`:                                                `Latency >= 1 || Ratio != 0.5`,
	`Took > duration("250ms")`:                                                    `Took > duration("250ms")`,
	`Tenant in [3u, 17u, 99u, 1000u, 4242u, 70000u, 1048576u]`:                    `Tenant in [3, 17, 99, 1000, 4242, 70000, 1048576]`,
	`User.Name == "root" || User.ID == 0 || Code < 0`:                             `User.Name == "root" || User.ID == 0 || Code < 0`,
	`(Retry ? Status >= 500u : Status >= 400u) && Host != "internal.example.com"`: `(Retry ? Status >= 500 : Status >= 400) && Host != "internal.example.com"`,
	`Method == "GET" && Status == 200u && Path.startsWith("/static/") && Bytes < 65536 && Port in [80u, 443u, 8080u]`:   `Method == "GET" && Status == 200 && Path startsWith "/static/" && Bytes < 65536 && Port in [80, 443, 8080]`,
	`Host == "www.example.com" || Host == "api.example.com" || Host == "cdn.example.com" || Host.endsWith(".internal")`: `Host == "www.example.com" || Host == "api.example.com" || Host == "cdn.example.com" || Host endsWith ".internal"`,
}

// variables is a request as expr-lang takes it in a map.
func variables(q *celtest.Request) map[string]any {
	return map[string]any{"Method": q.Method, "Path": q.Path, "Host": q.Host, "Agent": q.Agent, "Status": q.Status, "Port": q.Port, "Tenant": q.Tenant,
		"Bytes": q.Bytes, "Latency": q.Latency, "Ratio": q.Ratio, "Took": q.Took, "At": q.At, "Retry": q.Retry, "Code": q.Code, "User": q.User}
}

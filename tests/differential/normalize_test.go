package differential

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var (
	uuidPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	timePattern = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| \+0000 UTC|[+-]\d\d:\d\d)`)
	hashPattern = regexp.MustCompile(`\(([0-9a-f]{8})\)`)
)

// jsonEncoding is the encoding json/plain of a payload, in base64.
var jsonEncoding = base64.StdEncoding.EncodeToString([]byte("json/plain"))

// masked are fields that depend on the clock or on how a server stores things, never on the meaning of the API.
var masked = map[string]bool{
	"taskId": true, "historySizeBytes": true, "stateTransitionCount": true, "executionDuration": true, "nextPageToken": true,
	"taskToken": true, "shardId": true, "externalPayloadSizeBytes": true, "stateSizeBytes": true,
}

// dropped are hints of one server to its own workers, and what is only there when too little time has passed.
var dropped = map[string]bool{
	"firstWorkflowTaskBackoff": true, "backoffStartInterval": true,
	"pollerScalingDecision": true, "backlogCountHint": true, "pollerGroupInfos": true, "pollerGroupsInfo": true, "pollerGroupId": true,
}

// unordered are lists whose order carries nothing.
var unordered = map[string]bool{"pendingActivities": true, "pendingChildren": true}

// normalizer turns what one server showed into text that is equal for an equal server: ids are numbered in the order of their
// first appearance, times and sizes are masked.
type normalizer struct {
	prefix string // of all workflow ids of this play
	ids    map[string]string
}

func newNormalizer(prefix string) *normalizer {
	return &normalizer{prefix: prefix, ids: map[string]string{}}
}

// message is the JSON of m, normalised; nil stays nil.
func (n *normalizer) message(m proto.Message) any {
	content, err := protojson.Marshal(m)
	if err != nil {
		return "not JSON: " + err.Error()
	}
	var value any
	if err := json.Unmarshal(content, &value); err != nil {
		return "not JSON: " + err.Error()
	}
	return n.walk(value, "")
}

// failure is the code, message and details of a call's error.
func (n *normalizer) failure(err error) any {
	s := status.Convert(err)
	message := n.text(s.Message())
	if strings.Contains(message, "something went wrong") {
		message = hashPattern.ReplaceAllString(message, "($HASH)")
	}
	result := map[string]any{"code": s.Code().String(), "message": message}
	if s.Code().String() == "DeadlineExceeded" {
		result["message"] = "$ANY" // the client's words or the server's, whoever is first
	}
	if details := s.Proto().GetDetails(); len(details) > 0 {
		shown := make([]any, len(details))
		for i, detail := range details {
			shown[i] = n.message(detail)
		}
		result["details"] = shown
	}
	return result
}

func (n *normalizer) text(s string) string {
	s = strings.ReplaceAll(s, n.prefix, "$U")
	s = timePattern.ReplaceAllString(s, "$$TIME")
	return uuidPattern.ReplaceAllStringFunc(s, func(id string) string {
		if _, known := n.ids[id]; !known {
			n.ids[id] = fmt.Sprintf("$ID_%d", len(n.ids)+1)
		}
		return n.ids[id]
	})
}

func (n *normalizer) walk(value any, field string) any {
	switch v := value.(type) {
	case map[string]any:
		if policy, _ := v["retryPolicy"].(map[string]any); field == "activityOptions" {
			delete(policy, "nonRetryableErrorTypes")
		}
		if field == "workflowTaskStartedEventAttributes" {
			v["requestId"] = "$REQUEST_ID" // the server's own
			delete(v, "historySizeBytes")  // 0 or none, by whether the task was started eagerly
		}
		if points, _ := v["autoResetPoints"].(map[string]any); len(points) == 0 {
			delete(v, "autoResetPoints") // none is none
		}
		if points, _ := v["prevAutoResetPoints"].(map[string]any); len(points) == 0 {
			delete(v, "prevAutoResetPoints") // none is none: some servers write the field when they had read the former run from the store
		}
		if v["queryResult"] != nil || v["queryRejected"] != nil {
			delete(v, "link") // of newer servers only
		}
		return n.walkObject(v)
	case []any:
		return n.walkList(v, field)
	case string:
		if masked[field] {
			return "$MASKED"
		}
		if strings.HasSuffix(strings.ToLower(field), "requestid") && uuidPattern.MatchString(v) {
			return "$REQUEST_ID"
		}
		return n.text(v)
	}
	return value
}

// walkObject goes through the fields in the order of their names, so that ids are numbered alike.
func (n *normalizer) walkObject(object map[string]any) any {
	names := make([]string, 0, len(object))
	for name := range object {
		names = append(names, name)
	}
	slices.Sort(names)
	if text, isJSON := plainPayload(object); isJSON {
		return map[string]any{"$json": n.text(text)}
	}
	result := map[string]any{}
	for _, name := range names {
		if dropped[name] {
			continue
		}
		key := name
		if uuidPattern.MatchString(name) {
			key = "$REQUEST_ID"
		}
		result[key] = n.walk(object[name], name)
	}
	return result
}

// plainPayload is the text of a payload in JSON, whose base64 would hide ids and times.
func plainPayload(object map[string]any) (string, bool) {
	metadata, _ := object["metadata"].(map[string]any)
	data, _ := object["data"].(string)
	if len(object) != 2 || len(metadata) != 1 || metadata["encoding"] != jsonEncoding {
		return "", false
	}
	text, err := base64.StdEncoding.DecodeString(data)
	return string(text), err == nil
}

func (n *normalizer) walkList(list []any, field string) any {
	result := make([]any, len(list))
	if field == "activityTasks" {
		for _, item := range list {
			delete(item.(map[string]any), "priority") // ours tells more: see docs/compatibility.md
		}
	}
	if unordered[field] {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(orderKey(a), orderKey(b)) })
	}
	for i, item := range list {
		result[i] = n.walk(item, "")
	}
	return result
}

// orderKey sorts by what a client named, which differs between the items and is alike on both servers.
func orderKey(item any) string {
	object, _ := item.(map[string]any)
	return fmt.Sprint(object["activityId"], object["workflowId"], object["initiatedId"])
}

// pretty is indented JSON with sorted fields.
func pretty(value any) string {
	content, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(content)
}

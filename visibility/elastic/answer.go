package elastic

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// answerError is an answer that tells of a failure.
type answerError struct {
	Status int
	cause
}

// cause is how Elasticsearch describes a failure, of a request or of an item.
type cause struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
}

func (e *answerError) Error() string {
	return fmt.Sprintf("answer %d: %s: %s", e.Status, e.Type, e.Reason)
}

// errorBodyBytesMax is how much of an error is read.
const errorBodyBytesMax = 64 << 10

// decode reads the answer of a request into out, which may be nil.
func decode(answer *esapi.Response, err error, out any) error {
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return readError(answer)
	}
	if out != nil {
		if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
	}
	_, err = io.Copy(io.Discard, answer.Body) // so that the connection can serve again
	return err
}

func readError(answer *esapi.Response) error {
	text, err := io.ReadAll(io.LimitReader(answer.Body, errorBodyBytesMax))
	if err != nil {
		return errors.Join(&answerError{Status: answer.StatusCode}, err)
	}
	failure := &answerError{Status: answer.StatusCode}
	var body struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(text, &body) != nil || json.Unmarshal(body.Error, &failure.cause) != nil {
		failure.Reason = string(text)
	}
	return failure
}

// isAnswer tells whether err is an answer of that status and, unless it is empty, that type.
func isAnswer(err error, status int, kind string) bool {
	var failure *answerError
	return errors.As(err, &failure) && failure.Status == status && (kind == "" || failure.Type == kind)
}

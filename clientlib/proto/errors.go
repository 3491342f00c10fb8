package proto

import (
	"errors"
	"fmt"
	"strings"

	"odradek/core/errcode"
)

// Causes of errors that are the client's own; Error wraps them.
var (
	ErrUnsupported = errors.New("the broker does not serve this")
	ErrTimeout     = errors.New("no answer in time")
	ErrUnreachable = errors.New("no broker can be reached")
	ErrClosed      = errors.New("the client is closed")
)

// Error says what failed, about which topic, partition and broker as far as they are known, why, and what to do.
type Error struct {
	Op        string // what was tried, such as "Produce"
	Topic     string
	Partition int32  // -1: none
	Broker    string // host:port
	Code      errcode.Code
	Message   string // of the broker
	Cause     error  // where Code is None
	Hint      string // what to do
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Topic != "" {
		b.WriteString(" " + e.Topic)
		if e.Partition >= 0 {
			fmt.Fprintf(&b, "-%d", e.Partition)
		}
	}
	b.WriteString(": ")
	switch {
	case e.Code != errcode.None && e.Message != "":
		fmt.Fprintf(&b, "%s (%v)", e.Message, e.Code)
	case e.Code != errcode.None:
		b.WriteString(e.Code.String())
	default:
		b.WriteString(e.Cause.Error())
	}
	if e.Broker != "" {
		b.WriteString(" from " + e.Broker)
	}
	if e.Hint != "" {
		b.WriteString(": " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

package clientlib

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
)

// Admin looks at a cluster and changes it. Each of its methods ends with its ctx, or after Config.Timeout, tries again what may pass, and returns errors of type
// *proto.Error: with the topic, partition and broker, Kafka's error code, and what to do. Where several things were asked for, those that failed are joined in one
// error (errors.Join), and what succeeded is returned with it. It may be used by any number of goroutines.
type Admin struct {
	c *Client
}

// Admin returns the client's admin.
func (c *Client) Admin() *Admin { return &Admin{c} }

// brokerTimeout is what is left of ctx for the broker to wait in, in milliseconds: a request that a broker has to carry out names it.
func (a *Admin) brokerTimeout(ctx context.Context) int32 {
	left := a.c.timeout
	if end, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(end))
	}
	return int32(max(min(left, 30*time.Second)/time.Millisecond, 1))
}

// moved is what a request for the controller is tried again for.
func moved(code int16) errcode.Code {
	if errcode.Code(code) == errcode.NotController {
		return errcode.NotController
	}
	return errcode.None
}

// anyMoved is the first of so many codes for which the request is to be tried again elsewhere.
func anyMoved(n int, code func(i int) int16) errcode.Code {
	for i := range n {
		if c := moved(code(i)); c != errcode.None {
			return c
		}
	}
	return errcode.None
}

// ask sends a request and returns its answer as what it is.
func ask[R kmsg.Response](ctx context.Context, a *Admin, req kmsg.Request, to proto.Target, again func(R) errcode.Code) (resp R, broker string, err error) {
	o := Operation{Request: req, Target: to}
	if again != nil {
		o.Refused = func(r kmsg.Response) errcode.Code { return again(r.(R)) }
	}
	r, broker, err := a.c.DoFrom(ctx, o)
	if err != nil {
		return resp, broker, err
	}
	return r.(R), broker, nil
}

// refusal is the error of what a broker refuses; nil if code is none.
func refusal(op, topic string, partition int32, broker string, code int16, message *string) error {
	if errcode.Code(code) == errcode.None {
		return nil
	}
	e := &proto.Error{Op: op, Topic: topic, Partition: partition, Broker: broker, Code: errcode.Code(code), Hint: hint(errcode.Code(code))}
	if message != nil && *message != e.Code.String() {
		e.Message = *message
	}
	return e
}

// hint says what to do about a refusal; nothing where the code says it.
func hint(code errcode.Code) string {
	switch code {
	case errcode.UnknownTopicOrPartition, errcode.UnknownTopicID:
		return "is the name right? odradek topic list shows the topics"
	case errcode.NotEnoughReplicas, errcode.NotEnoughReplicasAppend:
		return "bring replicas back, or lower min.insync.replicas"
	case errcode.TopicAuthorizationFailed, errcode.ClusterAuthorizationFailed:
		return "ask for an ACL that allows it"
	case errcode.OffsetOutOfRange:
		return "it must lie between the log start and the high watermark"
	}
	return ""
}

// Code is the error code of a broker that err stands for, the first where several are joined; none if no broker refused.
func Code(err error) errcode.Code {
	var e *proto.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return errcode.None
}

package core

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
)

// A reply whose time is up tells nothing of records that are not committed: TOPIC_ALREADY_EXISTS would.
func TestTimedOutReplyTellsNothing(t *testing.T) {
	create, drop := kmsg.NewPtrCreateTopicsResponse(), kmsg.NewPtrDeleteTopicsResponse()
	for _, code := range []errcode.Code{errcode.None, errcode.TopicAlreadyExists, errcode.UnknownTopicOrPartition} {
		create.Topics = append(create.Topics, kmsg.CreateTopicsResponseTopic{ErrorCode: int16(code)})
		drop.Topics = append(drop.Topics, kmsg.DeleteTopicsResponseTopic{ErrorCode: int16(code)})
	}
	for _, body := range []kmsg.Response{
		&kmsg.AlterConfigsResponse{Resources: []kmsg.AlterConfigsResponseResource{{}}},
		&kmsg.IncrementalAlterConfigsResponse{Resources: []kmsg.IncrementalAlterConfigsResponseResource{{}}},
		&kmsg.CreatePartitionsResponse{Topics: []kmsg.CreatePartitionsResponseTopic{{}}},
	} {
		before := string(body.AppendTo(nil))
		if failAll(body, errcode.RequestTimedOut); string(body.AppendTo(nil)) == before {
			t.Errorf("%T tells success when its time is up", body)
		}
	}
	failAll(create, errcode.RequestTimedOut)
	failAll(drop, errcode.RequestTimedOut)
	for i := range create.Topics {
		if c, d := errcode.Code(create.Topics[i].ErrorCode), errcode.Code(drop.Topics[i].ErrorCode); c != errcode.RequestTimedOut || d != errcode.RequestTimedOut {
			t.Errorf("topic %d: %v, %v", i, c, d)
		}
	}
}

package controller

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
)

// TestWhatIsWrongFirst: of several faults Kafka names the operation, then the topic's name, then the value, and that there is no such topic last.
func TestWhatIsWrongFirst(t *testing.T) {
	s := state(t)
	for _, c := range []struct {
		topic, key, value string
		op                kmsg.IncrementalAlterConfigOp
		want              errcode.Code
	}{
		{"b/d", "retention.ms", "x", kmsg.IncrementalAlterConfigOpAppend, errcode.InvalidConfig},
		{"b/d", "retention.ms", "x", kmsg.IncrementalAlterConfigOpSet, errcode.InvalidTopicException},
		{"never", "retention.ms", "x", kmsg.IncrementalAlterConfigOpSet, errcode.InvalidConfig},
		{"never", "compression.gzip.level", "0", kmsg.IncrementalAlterConfigOpSet, errcode.InvalidConfig},
		{"never", "retention.ms", " 5 ", kmsg.IncrementalAlterConfigOpSet, errcode.UnknownTopicOrPartition},
		{"", "retention.ms", "5", kmsg.IncrementalAlterConfigOpSet, errcode.InvalidRequest},
	} {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		req.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeTopic, ResourceName: c.topic,
			Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: c.key, Op: c.op, Value: &c.value}}}}
		if _, resp := s.IncrementalAlterConfigs(image.Empty(), req); errcode.Code(resp.Resources[0].ErrorCode) != c.want {
			t.Errorf("%+v: %v", c, errcode.Code(resp.Resources[0].ErrorCode))
		}
	}
}

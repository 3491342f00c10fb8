package query

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/image"
	"odradek/core/record"
)

func TestListPartitionReassignments(t *testing.T) {
	v := view(t)
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	if resp := ListPartitionReassignments(v, req); len(resp.Topics) != 0 || resp.ErrorCode != 0 {
		t.Errorf("%+v", resp)
	}
	change := image.NewPartitionChange()
	change.TopicID, change.PartitionID, change.AddingReplicas = record.UUID{1}, 1, []record.NodeID{3}
	var err error
	if v.Image, err = v.Image.Replay([]image.Record{change}, image.At{Offset: 9}); err != nil {
		t.Fatal(err)
	}
	req.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: "t", Partitions: []int32{0, 1, 7}}, {Topic: "nope", Partitions: []int32{0}}}
	for range 2 {
		if resp := ListPartitionReassignments(v, req); len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 || resp.Topics[0].Partitions[0].AddingReplicas[0] != 3 {
			t.Errorf("%+v", resp)
		}
		req.Topics = nil
	}
}

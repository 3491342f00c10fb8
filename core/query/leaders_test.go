package query

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

func TestElectLeaders(t *testing.T) {
	v := view(t) // of topic t, partition 0 is led by its only replica and partition 1 by nobody
	req := kmsg.NewPtrElectLeadersRequest()
	req.Version = 2
	if resp := ElectLeaders(v, req); len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 ||
		errcode.Code(resp.Topics[0].Partitions[0].ErrorCode) != errcode.PreferredLeaderNotAvailable {
		t.Errorf("of all: %+v", resp.Topics)
	}
	req.ElectionType = 1
	req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0, 1, 2}}, {Topic: "nope", Partitions: []int32{0}}}
	var got []errcode.Code
	var said []string
	for _, topic := range ElectLeaders(v, req).Topics {
		for _, p := range topic.Partitions {
			got = append(got, errcode.Code(p.ErrorCode))
			said = append(said, *p.ErrorMessage)
		}
	}
	want := []errcode.Code{errcode.ElectionNotNeeded, errcode.EligibleLeadersNotAvailable, errcode.UnknownTopicOrPartition, errcode.UnknownTopicOrPartition}
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
	if said[2] != "No such partition as t-2" || said[3] != "No such topic as nope" {
		t.Errorf("the last two: %q", said[2:])
	}
}

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

package query

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"odradek/core/config"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// TestDescribeTopicPartitionsPages: whatever the limit, following the cursor tells every partition of every topic once, in order.
func TestDescribeTopicPartitionsPages(t *testing.T) {
	cfg, _ := config.ParseNode(nil)
	rapid.Check(t, func(t *rapid.T) {
		var records []image.Record
		var want []string
		for i := range rapid.IntRange(0, 5).Draw(t, "topics") {
			name, id := fmt.Sprintf("t%d", i), record.UUID{1, 15: byte(i)}
			records = append(records, &image.TopicRecord{Name: name, ID: id})
			for p := range rapid.IntRange(1, 4).Draw(t, "partitions") {
				records = append(records, &image.PartitionRecord{PartitionID: int32(p), TopicID: id, Replicas: []record.NodeID{1}, Isr: []record.NodeID{1}, Leader: 1})
				want = append(want, fmt.Sprint(name, p))
			}
		}
		img, err := image.Empty().Replay(records, image.At{})
		if err != nil {
			t.Fatal(err)
		}
		v := &View{Image: img, Self: 1, Config: cfg}
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		req.ResponsePartitionLimit = int32(rapid.IntRange(-1, 6).Draw(t, "limit"))
		var got []string
		for range 100 {
			resp := DescribeTopicPartitions(v, req)
			n := 0
			for _, topic := range resp.Topics {
				for _, p := range topic.Partitions {
					got = append(got, fmt.Sprint(*topic.Topic, p.Partition))
					n++
				}
			}
			if n > max(int(req.ResponsePartitionLimit), 1) {
				t.Fatalf("%d partitions; the limit is %d", n, req.ResponsePartitionLimit)
			}
			if resp.NextCursor == nil {
				break
			}
			req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: resp.NextCursor.Topic, Partition: resp.NextCursor.Partition}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("limit %d: %v, want %v", req.ResponsePartitionLimit, got, want)
		}
	})
}

func TestDescribeTopicPartitionsErrors(t *testing.T) {
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	req.Topics = []kmsg.DescribeTopicPartitionsRequestTopic{{Topic: "t"}, {Topic: "nope"}, {Topic: "b/d"}}
	resp := DescribeTopicPartitions(view(t), req)
	if len(resp.Topics) != 3 || errcode.Code(resp.Topics[0].ErrorCode) != errcode.InvalidTopicException ||
		errcode.Code(resp.Topics[1].ErrorCode) != errcode.UnknownTopicOrPartition || len(resp.Topics[2].Partitions) != 2 {
		t.Fatalf("%+v", resp.Topics)
	}
	if p := resp.Topics[2].Partitions; p[0].LeaderEpoch != 4 || errcode.Code(p[1].ErrorCode) != errcode.LeaderNotAvailable || len(p[1].OfflineReplicas) != 1 {
		t.Errorf("%+v", p)
	}
	req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: "t", Partition: -1}
	if resp := DescribeTopicPartitions(view(t), req); len(resp.Topics) != 1 || errcode.Code(resp.Topics[0].ErrorCode) != errcode.InvalidRequest {
		t.Errorf("%+v", resp.Topics)
	}
}

func TestListConfigResources(t *testing.T) {
	req := kmsg.NewPtrListConfigResourcesRequest()
	if resp := ListConfigResources(view(t), req); len(resp.ConfigResources) != 0 || resp.ErrorCode != 0 {
		t.Errorf("version 0: %+v", resp)
	}
	req.Version = 1
	if resp := ListConfigResources(view(t), req); len(resp.ConfigResources) != 5 { // a topic, two brokers, their loggers
		t.Errorf("%+v", resp.ConfigResources)
	}
	req.ResourceTypes = []int8{2}
	if resp := ListConfigResources(view(t), req); len(resp.ConfigResources) != 1 || resp.ConfigResources[0].Name != "t" || resp.ConfigResources[0].Type != 2 {
		t.Errorf("%+v", resp.ConfigResources)
	}
	req.ResourceTypes = []int8{2, 5}
	if resp := ListConfigResources(view(t), req); len(resp.ConfigResources) != 0 || errcode.Code(resp.ErrorCode) != errcode.UnsupportedVersion {
		t.Errorf("%+v", resp)
	}
}

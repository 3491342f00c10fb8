package query

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/image"
)

// ListPartitionReassignments lists the partitions whose replicas are to change: those that a directory of Kafka's says so of. None moves here.
func ListPartitionReassignments(v *View, req *kmsg.ListPartitionReassignmentsRequest) *kmsg.ListPartitionReassignmentsResponse {
	response := req.ResponseKind().(*kmsg.ListPartitionReassignmentsResponse)
	moving := func(t *image.Topic, list []int32) {
		topic := kmsg.NewListPartitionReassignmentsResponseTopic()
		topic.Topic = t.Name
		for _, i := range list {
			if i < 0 || int(i) >= len(t.Partitions) {
				continue
			}
			if p := t.Partitions[i]; len(p.Adding)+len(p.Removing) > 0 {
				out := kmsg.NewListPartitionReassignmentsResponseTopicPartition()
				out.Partition, out.Replicas = i, nodeNumbers(p.Replicas)
				out.AddingReplicas, out.RemovingReplicas = nodeNumbers(p.Adding), nodeNumbers(p.Removing)
				topic.Partitions = append(topic.Partitions, out)
			}
		}
		if len(topic.Partitions) > 0 {
			response.Topics = append(response.Topics, topic)
		}
	}
	if req.Topics == nil {
		for t := range v.Image.Topics() {
			all := make([]int32, len(t.Partitions))
			for i := range all {
				all[i] = int32(i)
			}
			moving(t, all)
		}
		return response
	}
	for i := range req.Topics {
		if t, ok := v.Image.Topic(req.Topics[i].Topic); ok {
			moving(t, req.Topics[i].Partitions)
		}
	}
	return response
}

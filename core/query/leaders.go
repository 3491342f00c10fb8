package query

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// ElectLeaders answers what an election would bring: nothing. Each partition has one replica here, which leads as long as its directory stands; who has no
// leader has nobody to elect. Of all partitions (nil) every topic is told, and of its partitions only these, as Kafka does.
func ElectLeaders(v *View, req *kmsg.ElectLeadersRequest) *kmsg.ElectLeadersResponse {
	response := req.ResponseKind().(*kmsg.ElectLeadersResponse)
	add := func(topic string, partition int32, code errcode.Code, message string) {
		if n := len(response.Topics); n == 0 || response.Topics[n-1].Topic != topic {
			t := kmsg.NewElectLeadersResponseTopic()
			t.Topic = topic
			response.Topics = append(response.Topics, t)
		}
		p := kmsg.NewElectLeadersResponseTopicPartition()
		p.Partition, p.ErrorCode, p.ErrorMessage = partition, int16(code), &message
		t := &response.Topics[len(response.Topics)-1]
		t.Partitions = append(t.Partitions, p)
	}
	unclean := req.Version >= 1 && req.ElectionType == 1
	if req.Topics == nil {
		for t := range v.Image.Topics() {
			out := kmsg.NewElectLeadersResponseTopic()
			out.Topic = t.Name
			response.Topics = append(response.Topics, out)
			for i, p := range t.Partitions {
				if code := election(p, unclean); code != errcode.ElectionNotNeeded {
					add(t.Name, int32(i), code, code.String())
				}
			}
		}
		return response
	}
	for i := range req.Topics {
		t, ok := v.Image.Topic(req.Topics[i].Topic)
		for _, partition := range req.Topics[i].Partitions {
			switch name := req.Topics[i].Topic; {
			case !ok:
				add(name, partition, errcode.UnknownTopicOrPartition, "No such topic as "+name)
			case partition < 0 || int(partition) >= len(t.Partitions):
				add(name, partition, errcode.UnknownTopicOrPartition, fmt.Sprintf("No such partition as %s-%d", name, partition))
			default:
				code := election(t.Partitions[partition], unclean)
				add(name, partition, code, code.String())
			}
		}
	}
	return response
}

func election(p *image.Partition, unclean bool) errcode.Code {
	switch {
	case p.Leader != record.NoNode && (unclean || len(p.Replicas) > 0 && p.Leader == p.Replicas[0]):
		return errcode.ElectionNotNeeded
	case unclean:
		return errcode.EligibleLeadersNotAvailable
	}
	return errcode.PreferredLeaderNotAvailable
}

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

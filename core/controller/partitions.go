package controller

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
)

// CreatePartitions returns the records that add partitions to the topics of req and the reply that holds once they are committed.
func (s *State) CreatePartitions(img *image.Image, req *kmsg.CreatePartitionsRequest) ([]image.Record, *kmsg.CreatePartitionsResponse) {
	var records []image.Record
	response := req.ResponseKind().(*kmsg.CreatePartitionsResponse)
	counts := map[string]int{}
	for i := range req.Topics {
		counts[req.Topics[i].Topic]++
	}
	for i := range req.Topics {
		asked := &req.Topics[i]
		if counts[asked.Topic] == 0 {
			continue // named before, and answered once
		}
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic = asked.Topic
		made, p := s.createPartitions(img, asked, len(records))
		if counts[asked.Topic] > 1 {
			made, p = nil, problem(errcode.InvalidRequest, "Duplicate topic name.")
			counts[asked.Topic] = 0
		}
		if p != nil {
			out.ErrorCode, out.ErrorMessage = int16(p.Code), &p.Message
		} else if !req.ValidateOnly {
			records = append(records, made...)
		}
		response.Topics = append(response.Topics, out)
	}
	return records, response
}

func (s *State) createPartitions(img *image.Image, asked *kmsg.CreatePartitionsRequestTopic, already int) ([]image.Record, *Problem) {
	t, ok := img.Topic(asked.Topic)
	if !ok {
		return nil, problem(errcode.UnknownTopicOrPartition, "This server does not host this topic-partition.")
	}
	now := int32(len(t.Partitions))
	switch {
	case asked.Count == now:
		return nil, problem(errcode.InvalidPartitions, "Topic already has %d partition(s).", now)
	case asked.Count < now:
		return nil, problem(errcode.InvalidPartitions, "The topic %s currently has %d partition(s); %d would not be an increase.", t.Name, now, asked.Count)
	case asked.Count > image.MaxPartitions:
		return nil, problem(errcode.InvalidPartitions, "a topic has at most %d partitions", image.MaxPartitions)
	}
	more := int(asked.Count - now)
	if already+more > MaxRecords {
		return nil, problem(errcode.PolicyViolation, "one request may make at most %d partitions: split it", MaxRecords)
	}
	if asked.Assignment != nil && len(asked.Assignment) != more {
		return nil, problem(errcode.InvalidReplicaAssignment, "Attempted to add %d additional partition(s), but only %d assignment(s) were specified.",
			more, len(asked.Assignment))
	}
	return s.morePartitions(img, t, asked)
}

// morePartitions makes the partitions behind those that a topic has, with as many replicas each.
func (s *State) morePartitions(img *image.Image, t *image.Topic, asked *kmsg.CreatePartitionsRequestTopic) ([]image.Record, *Problem) {
	now, factor := int32(len(t.Partitions)), len(t.Partitions[0].Replicas)
	records := make([]image.Record, 0, asked.Count-now)
	for i := range asked.Assignment {
		replicas := asked.Assignment[i].Replicas
		if wrong := checkReplicas(img, replicas, factor); wrong != nil {
			return nil, wrong
		}
		r, wrong := assigned(img, t.ID, now+int32(i), replicas)
		if wrong != nil {
			return nil, wrong
		}
		records = append(records, r)
	}
	if asked.Assignment != nil {
		return records, nil
	}
	placer := newPlacer(img, s.Random)
	if wrong := placer.check(int16(factor)); wrong != nil {
		return nil, wrong
	}
	for i := now; i < asked.Count; i++ {
		r, _ := partitionRecord(img, t.ID, i, placer.place(factor))
		records = append(records, r)
	}
	return records, nil
}

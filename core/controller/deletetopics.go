package controller

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// namedTopics lists what a DeleteTopics asks for, of whatever version: until 5 by name, later by name or id.
func namedTopics(req *kmsg.DeleteTopicsRequest) []kmsg.DeleteTopicsRequestTopic {
	asked := req.Topics
	for _, name := range req.TopicNames {
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic = &name
		asked = append(asked, t)
	}
	return asked
}

// deletions counts how often a request names each topic. One that is named twice is not deleted: the client may have meant another.
type deletions struct {
	names map[string]int // 0: answered already
	ids   map[record.UUID]int
	both  map[record.UUID]bool // topics that the request names by name and by id
}

func countDeletions(img *image.Image, asked []kmsg.DeleteTopicsRequestTopic) *deletions {
	d := &deletions{names: map[string]int{}, ids: map[record.UUID]int{}, both: map[record.UUID]bool{}}
	for i := range asked {
		switch a := &asked[i]; {
		case a.Topic != nil && a.TopicID == record.UUID{}:
			d.names[*a.Topic]++
		case a.Topic == nil:
			d.ids[a.TopicID]++
		}
	}
	for name := range d.names { // any order: topics are independent
		if t, ok := img.Topic(name); ok && d.ids[t.ID] > 0 {
			d.both[t.ID] = true
		}
	}
	return d
}

// answer says what becomes of one topic asked for: with no error it goes. It returns nil where the reply tells of that name or id already.
func (d *deletions) answer(img *image.Image, asked *kmsg.DeleteTopicsRequestTopic) *kmsg.DeleteTopicsResponseTopic {
	out := kmsg.NewDeleteTopicsResponseTopic()
	out.Topic, out.TopicID = asked.Topic, asked.TopicID
	invalid := func(message string) *kmsg.DeleteTopicsResponseTopic {
		out.ErrorCode, out.ErrorMessage = int16(errcode.InvalidRequest), &message
		return &out
	}
	var t *image.Topic
	var ok bool
	missing := errcode.UnknownTopicOrPartition
	switch zero := (record.UUID{}); {
	case asked.Topic != nil && asked.TopicID != zero:
		return invalid("You may not specify both topic name and topic id.")
	case asked.Topic == nil && asked.TopicID == zero:
		return invalid("Neither topic name nor id were specified.")
	case asked.Topic != nil:
		n := d.names[*asked.Topic]
		if d.names[*asked.Topic] = 0; n == 0 {
			return nil
		} else if n > 1 {
			return invalid("Duplicate topic name.")
		}
		t, ok = img.Topic(*asked.Topic)
		if ok && d.both[t.ID] {
			return nil // told of with its id
		}
	default:
		n := d.ids[asked.TopicID]
		if n == 0 {
			return nil
		} else if n > 1 {
			d.ids[asked.TopicID] = 0
			return invalid("Duplicate topic id.")
		}
		missing = errcode.UnknownTopicID
		if t, ok = img.TopicByID(asked.TopicID); ok && d.both[t.ID] {
			out.Topic = &t.Name
			return invalid("The provided topic name maps to an ID that was already supplied.")
		}
	}
	if !ok {
		out.ErrorCode = int16(missing)
		return &out
	}
	name := t.Name
	out.Topic, out.TopicID = &name, t.ID
	return &out
}

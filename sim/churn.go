package sim

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// churning makes a topic, produces a little to it and deletes it, again and again under one name, so that folders go while they are written and
// synced. What was answered is durable whatever the topic is: a topic that was made must be there to be deleted, one that was deleted must not be.
type churning struct {
	c      *client
	line   *line
	there  bool        // believed
	id     record.UUID // of the topic; zero: not known
	sure   bool        // the belief rests on an answer, and nothing was asked since whose answer was lost
	left   int         // batches to produce before it is deleted
	busy   bool
	again  Time
	rounds int
	trim   trimming

	builder record.Builder
	// A request whose answer was lost may still reach the core behind later ones of other connections, as long as the process lives that was to get it.
	asked, doubt uint32 // lives of the process that the last request went to, and of the last whose answer was lost
}

// churnTopic is the name, with the first and the last of each kind of characters that a name may have. Invariant: no other client uses it.
const churnTopic = "churn.aA_0-zZ9"

func (r *churning) poll(now Time) kmsg.Request {
	r.asked = r.line.ch.life
	if r.busy || now < r.again || r.c.w.phase != phaseSafety || r.rounds >= r.c.opt.Churn {
		return nil
	}
	switch {
	case !r.there:
		r.busy = true
		return r.create()
	case r.left > 0:
		r.busy = true
		return r.produce()
	case r.trim.steps > 0:
		r.busy, r.trim.busy = true, true
		return r.trim.request(&r.c.rng, r.c.opt.TimeoutMs)
	}
	r.busy = true
	return r.remove()
}

// remove deletes the topic, every second one by its id, if that is known (KIP-516).
func (r *churning) remove() kmsg.Request {
	req := kmsg.NewPtrDeleteTopicsRequest()
	if r.id != (record.UUID{}) && r.rounds%4 == 1 {
		req.SetVersion(6)
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.TopicID = r.id
		req.TimeoutMillis, req.Topics = r.c.opt.TimeoutMs, append(req.Topics, t)
		return req
	}
	req.SetVersion(5)
	req.TimeoutMillis, req.TopicNames = r.c.opt.TimeoutMs, []string{churnTopic}
	return req
}

func (r *churning) create() kmsg.Request {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(7)
	r.id = record.UUID{}
	req.TimeoutMillis = r.c.opt.TimeoutMs
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = churnTopic, 1, 1
	size := "300"
	t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: "segment.bytes", Value: &size})
	req.Topics = append(req.Topics, t)
	return req
}

func (r *churning) answered(_ kmsg.Request, resp kmsg.Response) {
	r.busy, r.trim.busy = false, false
	switch a := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		r.id = a.Topics[0].TopicID
		r.settled(true, errcode.Code(a.Topics[0].ErrorCode), errcode.TopicAlreadyExists)
	case *kmsg.DeleteTopicsResponse:
		gone := errcode.UnknownTopicOrPartition
		if a.Topics[0].Topic == nil { // asked for by its id
			gone = errcode.UnknownTopicID
		}
		r.settled(false, errcode.Code(a.Topics[0].ErrorCode), gone)
	case *kmsg.DeleteRecordsResponse:
		r.trim.deleted(&a.Topics[0].Partitions[0])
		r.again = r.c.w.now + Millisecond
	case *kmsg.ListOffsetsResponse:
		r.again = r.c.w.now + Millisecond
		if found := r.trim.listed(&a.Topics[0].Partitions[0]); found != "" && r.sure && r.line.ch.life > r.doubt {
			r.c.w.fail(Correctness, "start", found)
		}
	case *kmsg.ProduceResponse:
		switch p := &a.Topics[0].Partitions[0]; errcode.Code(p.ErrorCode) {
		case errcode.None:
			r.left--
			r.trim.end = max(r.trim.end, record.Offset(p.BaseOffset)+1)
		case errcode.UnknownTopicOrPartition, errcode.NotLeaderOrFollower, errcode.RequestTimedOut, errcode.KafkaStorageError:
			r.again = r.c.w.now + 100*Millisecond
		default:
			r.c.w.fail(Correctness, "churn", fmt.Sprintf("a batch is refused for good: %v", errcode.Code(p.ErrorCode)))
		}
	}
}

// produce is one record in a batch of its own.
func (r *churning) produce() kmsg.Request {
	r.builder.Reset(record.PlainSpec(record.Attributes(record.CodecNone)))
	r.builder.Append(wallBase, nil, make([]byte, r.c.rng.IntN(300)), nil)
	b, err := r.builder.Build(nil)
	if err != nil {
		panic("invariant: a batch cannot be built: " + err.Error())
	}
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(8)
	req.Acks, req.TimeoutMillis = 1, r.c.opt.TimeoutMs
	t := kmsg.NewProduceRequestTopic()
	t.Topic = churnTopic
	t.Partitions = append(t.Partitions, kmsg.ProduceRequestTopicPartition{Records: b.Data})
	req.Topics = append(req.Topics, t)
	return req
}

// settled takes the answer to Create (there) or Delete. already is the code that says it was so before.
func (r *churning) settled(there bool, code, already errcode.Code) {
	w := r.c.w
	switch code {
	case errcode.None, already:
		if code == already && r.sure {
			w.fail(Correctness, "metadata", fmt.Sprintf("topic %s: %v, though the last answer was that it is there: %t", churnTopic, code, r.there))
			return
		}
		if code == errcode.None && r.sure && r.there == there {
			w.fail(Correctness, "metadata", fmt.Sprintf("topic %s changed by itself: it is there: %t", churnTopic, there))
			return
		}
		r.there, r.sure = there, r.line.ch.life > r.doubt
		if r.rounds++; there {
			r.begin()
		}
	case errcode.RequestTimedOut, errcode.NotController: // it was appended and may yet commit, before whatever is asked next
		r.sure = false
		r.again = w.now + 50*Millisecond
	default:
		w.fail(Correctness, "metadata", fmt.Sprintf("topic %s: %v", churnTopic, code))
	}
}

// begin gives a new topic what it is to get.
func (r *churning) begin() {
	rng := &r.c.rng
	r.left = rng.IntN(5)
	r.trim = trimming{topic: churnTopic, steps: rng.IntN(5)}
}

func (r *churning) lost() {
	if r.busy && (!r.there || r.left == 0 && !r.trim.busy) {
		r.sure, r.doubt = false, r.asked // it may have come to pass, and may yet
	}
	r.busy, r.trim.busy = false, false
}

func (r *churning) deadline(now Time) (Time, bool) { return r.again, r.again > now }

func (r *churning) unfinished() string { return "" }

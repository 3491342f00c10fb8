package sim

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/core/record"
)

// producing makes the client's topic and then produces records to it, each with a value that no other record has.
type producing struct {
	c       *client
	line    *line
	p       *proto.PlainProducer
	made    bool // CreateTopics was answered
	busy    bool // a request of the preparation is under way
	again   Time // not before: the next try of it
	given   int  // batches
	records int
	next    Time // when the next batch is given
}

func newProducing(c *client) *producing {
	o := c.opt
	return &producing{c: c, p: proto.NewPlainProducer(proto.PlainProducerConfig{Topic: c.topic.Name, Partitions: c.topic.Partitions, Acks: o.Acks, Idempotent: o.Idempotent,
		InFlight: o.InFlight, TimeoutMs: o.TimeoutMs, Version: o.ProduceVersion, Codec: c.w.codec})}
}

func (p *producing) poll(now Time) kmsg.Request {
	if !p.c.known {
		if p.busy || now < p.again {
			return nil
		}
		p.busy = true
		if !p.made {
			return p.createTopic()
		}
		return p.metadata()
	}
	for p.wants() && now >= p.next {
		p.give()
		gap := 2 * p.c.w.opt.Safety / Time(p.c.opt.Batches+1)
		p.next = now + Time(p.c.rng.N(uint64(gap)))
		if p.c.rng.IntN(3) == 0 {
			p.next = now
		}
	}
	return p.p.Poll(int64(now))
}

// wants reports whether more batches are to come.
func (p *producing) wants() bool { return p.c.w.phase == phaseSafety && p.given < p.c.opt.Batches }

func (p *producing) createTopic() kmsg.Request {
	o := p.c.topic
	req := kmsg.NewPtrCreateTopicsRequest()
	req.SetVersion(7)
	req.TimeoutMillis = p.c.opt.TimeoutMs
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = o.Name, o.Partitions, 1
	stamp := "CreateTime"
	if o.AppendTime {
		stamp = "LogAppendTime"
	}
	configs := [][2]string{{"segment.bytes", strconv.Itoa(int(o.SegmentBytes))}, {"message.timestamp.type", stamp}, {"compression.type", o.Compression}}
	if o.FlushMs > 0 {
		configs = append(configs, [2]string{"flush.ms", strconv.FormatInt(o.FlushMs, 10)})
	}
	if !o.Inherits {
		configs = append(configs, [2]string{"flush.messages", strconv.FormatInt(o.FlushMessages, 10)})
	}
	for _, kv := range configs {
		t.Configs = append(t.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: kv[0], Value: &kv[1]})
	}
	req.Topics = append(req.Topics, t)
	return req
}

func (p *producing) metadata() kmsg.Request {
	req := kmsg.NewPtrMetadataRequest()
	req.SetVersion(12)
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &p.c.topic.Name
	req.Topics = append(req.Topics, t)
	return req
}

// give produces one batch and enters it into the ledger.
func (p *producing) give() {
	rng := &p.c.rng
	partition := int32(rng.IntN(int(p.c.topic.Partitions)))
	var messages []proto.Message
	for range between(rng, 1, p.c.opt.BatchMax) {
		p.records++
		messages = append(messages, p.message())
	}
	id := p.p.Produce(partition, messages, p.c.opt.Codec)
	p.given++
	p.c.w.ledger.give(p.c, id, partition, messages)
}

// message draws one record. Its name is its value, or its key where the value is null.
func (p *producing) message() proto.Message {
	rng := &p.c.rng
	name := []byte(fmt.Sprintf("%s-%06d", p.c.name, p.records))
	m := proto.Message{Value: name, Timestamp: wallBase + record.UnixMillis(p.c.w.now/Millisecond)}
	switch rng.IntN(6) {
	case 0:
		m.Key, m.Value = name, nil
	case 1:
		m.Key = []byte{byte(rng.IntN(256))}
	case 2:
		m.Key = []byte{}
		m.Value = append(name, make([]byte, rng.IntN(400))...)
	}
	for range max(0, rng.IntN(6)-3) {
		h := record.Header{Key: []byte{byte('a' + rng.IntN(26))}}
		if rng.IntN(2) == 0 {
			h.Value = []byte(strconv.Itoa(rng.IntN(1000)))
		}
		m.Headers = append(m.Headers, h)
	}
	return m
}

func (p *producing) answered(req kmsg.Request, resp kmsg.Response) {
	now := p.c.w.now
	switch r := resp.(type) {
	case *kmsg.CreateTopicsResponse:
		p.busy = false
		switch code := errcode.Code(r.Topics[0].ErrorCode); code {
		case errcode.None, errcode.TopicAlreadyExists:
			p.made = true
		case errcode.RequestTimedOut, errcode.NotController:
			p.again = now + 50*Millisecond
		default:
			p.c.w.fail(Correctness, "create", fmt.Sprintf("the topic is refused: %v", code))
		}
	case *kmsg.MetadataResponse:
		p.busy = false
		if r.Topics[0].ErrorCode != 0 {
			p.c.w.fail(Correctness, "create", fmt.Sprintf("the topic that was made is not there: %v", errcode.Code(r.Topics[0].ErrorCode)))
			return
		}
		p.c.known, p.c.id128 = true, r.Topics[0].TopicID
	default:
		if d, ok := p.p.Answered(int64(now), req, resp); ok {
			p.c.w.ledger.delivered(p.c, d, p.line.ch.powers)
		}
	}
}

func (p *producing) lost() {
	p.busy = false
	p.p.Lost()
}

func (p *producing) deadline(now Time) (Time, bool) {
	if !p.c.known {
		return p.again, p.again > now
	}
	at, ok := p.p.Deadline(int64(now))
	if p.wants() && (!ok || p.next < Time(at)) {
		return p.next, true
	}
	return Time(at), ok
}

func (p *producing) unfinished() string {
	switch n := p.p.Pending(); {
	case !p.c.known:
		return "the topic is not made"
	case n > 0:
		return fmt.Sprintf("%d batches are not delivered", n)
	}
	return ""
}

package sim

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
	"odradek/core/record"
)

// producing makes the client's topic and then produces records to it, each with a value that no other record has.
type producing struct {
	c     *client
	p     *proto.Producer
	made  bool            // CreateTopics was asked for
	anew  Time            // when it is asked for again
	given int             // batches
	last  uint64          // of records
	next  Time            // when the next batch is given
	rest  []proto.Message // of the batch that is being given: buffer.memory was full
	to    int32           // its partition
	edit  *ClientEdit     // nil: what is given is drawn
}

func newProducing(c *client) *producing {
	o := c.opt
	linger := int64(o.Linger)
	if linger == 0 {
		linger = -1
	}
	acks := map[int16]proto.Acks{-1: proto.AcksAll, 1: proto.AcksLeader, 0: proto.AcksNone}[o.Acks]
	p := &producing{c: c, edit: c.edit(), p: c.m.NewProducer(proto.ProducerConfig{Acks: acks, NotIdempotent: !o.Idempotent, InFlight: o.InFlight, BatchSize: o.BatchSize, Linger: linger,
		BufferMemory: o.BufferMemory, Compression: o.Codec, FirstSequence: o.FirstSequence, DeliveryTimeout: int64(operationTime), AckTimeout: int64(o.TimeoutMs) * int64(Millisecond)})}
	p.follow()
	return p
}

// work makes the topic, and gives what is due and has room.
func (p *producing) work() {
	c, w := p.c, p.c.w
	if !p.made && w.now >= p.anew {
		p.made = true
		c.do(proto.Operation{Request: p.createTopic(), Target: proto.Controller(), MaxVersion: -1, Refused: createCode}, p.created)
	}
	for c.known && p.wants() && (len(p.rest) > 0 || w.now >= p.next) {
		if len(p.rest) == 0 {
			p.draw()
		}
		_, err := p.p.Send(c.m, int64(w.now), p.last+1, c.topic.Name, p.to, &p.rest[0])
		if errors.Is(err, proto.ErrFull) {
			break
		}
		if err != nil {
			w.fail(Correctness, "send", err.Error())
			return
		}
		p.last++
		w.ledger.give(c, p.last, p.to, &p.rest[0])
		p.rest = p.rest[1:]
	}
	if p.given > 0 && c.rng.IntN(40) == 0 {
		p.p.Flush(c.m, int64(w.now))
	}
}

// wants reports whether more is to be given.
func (p *producing) wants() bool {
	most := p.c.opt.Batches
	if p.edit != nil {
		most = len(p.edit.Batches)
	}
	return len(p.rest) > 0 || p.c.w.phase == phaseSafety && p.given < most
}

// draw draws the next batch and when the one behind it comes: a third of them at once.
func (p *producing) draw() {
	c, rng := p.c, &p.c.rng
	if p.edit != nil {
		rng.Seek(p.edit.Batches[p.given].Drawn)
	}
	c.w.gives(c)
	p.given++
	p.to = int32(rng.IntN(int(c.topic.Partitions)))
	for i := range between(rng, 1, c.opt.BatchMax) {
		p.rest = append(p.rest, p.message(p.last+1+uint64(i)))
	}
	p.next = c.w.now + Time(rng.N(uint64(2*c.w.opt.Safety/Time(c.opt.Batches+1))))
	if rng.IntN(3) == 0 {
		p.next = c.w.now
	}
	p.follow()
}

// follow has the next batch of the edit come when it did.
func (p *producing) follow() {
	if p.edit != nil && p.given < len(p.edit.Batches) {
		p.next = p.edit.Batches[p.given].At
	}
}

// message draws one record. Its name is its value, or its key where the value is null.
func (p *producing) message(number uint64) proto.Message {
	rng := &p.c.rng
	name := []byte(fmt.Sprintf("%s-%06d", p.c.name, number))
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

func (p *producing) createTopic() kmsg.Request {
	o := p.c.topic
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = p.c.opt.TimeoutMs
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = o.Name, o.Partitions, int16(max(o.Replicas, 1))
	stamp := "CreateTime"
	if o.AppendTime {
		stamp = "LogAppendTime"
	}
	configs := [][2]string{{"segment.bytes", strconv.Itoa(int(o.SegmentBytes))}, {"message.timestamp.type", stamp}, {"compression.type", o.Compression}}
	if o.FlushMs > 0 {
		configs = append(configs, [2]string{"flush.ms", strconv.FormatInt(o.FlushMs, 10)})
	}
	if o.MinInsync > 0 {
		configs = append(configs, [2]string{"min.insync.replicas", strconv.Itoa(o.MinInsync)})
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

func createCode(resp kmsg.Response) errcode.Code {
	return errcode.Code(resp.(*kmsg.CreateTopicsResponse).Topics[0].ErrorCode)
}

// created takes the end of CreateTopics. A topic that was made must be there.
func (p *producing) created(resp kmsg.Response) {
	if code := createCode(resp); code == errcode.InvalidReplicationFactor && !p.c.w.alone() { // not enough brokers serve yet
		p.made, p.anew = false, p.c.w.now+100*Millisecond
		p.c.arm(p.anew)
		return
	} else if code != errcode.None && code != errcode.TopicAlreadyExists {
		p.c.w.fail(Correctness, "create", fmt.Sprintf("the topic is refused: %v", code))
		return
	}
	req := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = &p.c.topic.Name
	req.Topics = append(req.Topics, t)
	p.look(req)
}

// look has the topic be seen. One node knows it at once, and of several each when it hears of it.
func (p *producing) look(req *kmsg.MetadataRequest) {
	p.c.do(proto.Operation{Request: req, Target: proto.Any(), MaxVersion: -1}, func(resp kmsg.Response) {
		if code := errcode.Code(resp.(*kmsg.MetadataResponse).Topics[0].ErrorCode); code == errcode.UnknownTopicOrPartition && !p.c.w.alone() {
			p.look(req)
			return
		} else if code != errcode.None {
			p.c.w.fail(Correctness, "create", fmt.Sprintf("the topic that was made is not there: %v", code))
			return
		}
		p.c.known = true
		p.c.w.past.made(p.c.opt.Topic)
		p.c.poke()
	})
}

// delivered enters what became of records into the ledger, each by itself.
func (p *producing) delivered(d *proto.Delivery) {
	c, code := p.c, errcode.None
	var refused *proto.Error
	if errors.As(d.Err, &refused) {
		if code = refused.Code; code == errcode.None {
			c.w.fail(Correctness, "delivery", d.Err.Error())
			return
		}
	}
	c.w.past.delivered(c, d, code)
	for i, id := range d.IDs {
		offset := d.Offset
		if offset != record.NoOffset {
			offset += record.Offset(i)
		}
		c.w.ledger.delivered(c, id, d.Partition, offset, code, c.powers)
	}
	if b := p.p.Buffered(); b < 0 || b > c.opt.BufferMemory {
		c.w.fail(Correctness, "buffer", fmt.Sprintf("%s buffers %d bytes of %d", c.name, b, c.opt.BufferMemory))
	}
}

// due returns when work may have something to do by itself; deliveries make room.
func (p *producing) due() (Time, bool) {
	if !p.made {
		return p.anew, true
	}
	return p.next, p.c.known && len(p.rest) == 0 && p.wants()
}

func (p *producing) unfinished() string {
	var unclear int64 // their time would be up, outside
	for partition := range p.c.topic.Partitions {
		unclear += p.p.Unclear(p.c.topic.Name, partition)
	}
	if unclear > 0 {
		p.c.w.reach(markUnclearBatch)
	}
	switch n := p.p.Buffered() - unclear; {
	case !p.c.known:
		return "the topic is not made"
	case n > 0:
		return fmt.Sprintf("%d bytes are not delivered", n)
	case len(p.rest) > 0 && unclear == 0:
		return "a batch is given in part"
	}
	return ""
}

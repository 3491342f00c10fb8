package proto

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// answered takes the answer to InitProducerId or Produce.
func (p *Producer) answered(c *Client, from *peer, a *reply) {
	if init, ok := a.resp.(*kmsg.InitProducerIDResponse); ok {
		p.initialised(c, init)
		return
	}
	p.ended(a.tag.id)
	resp := a.resp.(*kmsg.ProduceResponse)
	for i := range resp.Brokers {
		b := &resp.Brokers[i]
		c.meta.name(b.NodeID, b.Host, b.Port, b.Rack)
	}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			if l, b := p.find(t.Topic, t.Partitions[j].Partition, a.tag.id); b != nil {
				p.decide(c, from, l, b, &t.Partitions[j])
			}
		}
	}
	p.unanswered(c, a.tag.id, fmt.Errorf("the answer says nothing of the partition"))
}

// ended forgets a request.
func (p *Producer) ended(id uint64) {
	p.requests = slices.DeleteFunc(p.requests, func(r produced) bool { return r.id == id })
}

// find returns the batch of a partition that is under way in a request; nil if it was given up meanwhile.
func (p *Producer) find(topic string, partition int32, request uint64) (*outLane, *outBatch) {
	t := p.topics[topic]
	if t == nil || partition < 0 || int(partition) >= len(t.lanes) {
		return nil, nil
	}
	l := t.lanes[partition]
	for _, b := range l.queue {
		if b.sent == request {
			return l, b
		}
	}
	return nil, nil
}

// decide takes what a broker says of one batch.
func (p *Producer) decide(c *Client, from *peer, l *outLane, b *outBatch, answer *kmsg.ProduceResponseTopicPartition) {
	code := errcode.Code(answer.ErrorCode)
	b.sent, b.code, b.cause, b.message = 0, code, nil, ""
	b.lost = b.lost || code == errcode.RequestTimedOut || code == errcode.NotEnoughReplicasAppend || code == errcode.UnknownServerError
	if answer.ErrorMessage != nil {
		b.message = *answer.ErrorMessage
	}
	switch {
	case code == errcode.None:
		l.known, l.failures = true, 0
		l.deliver(p, c, b, Delivery{Offset: record.Offset(answer.BaseOffset), Timestamp: record.UnixMillis(answer.LogAppendTime)})
	case code == errcode.DuplicateSequenceNumber: // it is in the log, further back than the broker remembers where
		l.known = true
		l.deliver(p, c, b, Delivery{Offset: record.NoOffset, Timestamp: record.NoTimestamp})
	case !p.cfg.NotIdempotent && (code == errcode.OutOfOrderSequenceNumber || code == errcode.UnknownProducerID || code == errcode.InvalidProducerEpoch):
		first := l.queue[0] == b
		l.again(c, b)
		if first {
			if b.gaps++; b.gaps >= gapsMax && l.mayBeginAnew(c) {
				l.anew()
			}
		}
	case mayPass(code):
		l.again(c, b)
		if !c.meta.hint(l.topic, l.partition, leader{answer.CurrentLeader.LeaderID, record.Epoch(answer.CurrentLeader.LeaderEpoch)}) {
			c.meta.stale = true
		}
	default:
		l.deliver(p, c, b, Delivery{Offset: record.NoOffset, Timestamp: record.NoTimestamp, Err: refused(from, l, b, answer)})
	}
}

// refused is the error of a batch that the broker will not take. Of single records that are wrong (KIP-467) the first is named.
func refused(from *peer, l *outLane, b *outBatch, answer *kmsg.ProduceResponseTopicPartition) *Error {
	e := &Error{Op: "Produce", Topic: l.topic, Partition: l.partition, Broker: from.address, Code: b.code, Message: b.message}
	if len(answer.ErrorRecords) > 0 {
		r := &answer.ErrorRecords[0]
		why := ""
		if r.ErrorMessage != nil {
			why = ": " + *r.ErrorMessage
		}
		e.Message += fmt.Sprintf(" (record %d of %d%s)", r.RelativeOffset, len(b.ids), why)
	}
	if b.code == errcode.MessageTooLarge {
		e.Hint = "raise the topic's max.message.bytes or lower batch.size"
	}
	return e
}

// lost tells that a request will have no answer.
func (p *Producer) lost(c *Client, _ *peer, t tag, _ kmsg.Request, cause error) {
	if t.id == 0 {
		p.asked = false
		p.notYet(c)
		return
	}
	p.ended(t.id)
	p.unanswered(c, t.id, cause)
}

// unanswered has every batch of a request sent again, in order.
func (p *Producer) unanswered(c *Client, request uint64, cause error) {
	for _, l := range p.active {
		for _, b := range l.queue {
			if b.sent == request {
				b.sent, b.lost, b.cause, b.code = 0, true, cause, errcode.None
			}
		}
	}
}

// initialised takes a new producer id for every lane that has none. An id's sequences are counted for each partition by itself.
func (p *Producer) initialised(c *Client, init *kmsg.InitProducerIDResponse) {
	p.asked = false
	if code := errcode.Code(init.ErrorCode); code != errcode.None {
		p.notYet(c)
		if !mayPass(code) {
			p.giveUp(c, &Error{Op: "InitProducerId", Partition: -1, Code: code, Hint: "or produce with enable.idempotence=false"})
		}
		return
	}
	p.failures = 0
	for _, l := range p.active {
		if l.producer < 0 {
			l.producer, l.epoch = record.ProducerID(init.ProducerID), init.ProducerEpoch
		}
	}
}

func (p *Producer) notYet(c *Client) {
	p.failures++
	p.since = c.now + c.backoff(c.cfg.RetryBackoff, c.cfg.RetryBackoffMax, p.failures)
}

// giveUp delivers what waits for a producer id as failed.
func (p *Producer) giveUp(c *Client, err error) {
	for _, l := range p.active {
		if l.producer >= 0 {
			continue
		}
		if l.open.count() > 0 {
			l.close(p, c)
		}
		for len(l.queue) > 0 {
			l.deliver(p, c, l.queue[0], Delivery{Offset: record.NoOffset, Timestamp: record.NoTimestamp, Err: err})
		}
	}
}

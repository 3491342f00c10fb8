package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// producerIDs hands out the ids of committed blocks (KIP-730). An id is given once in the life of the cluster: a block is used only when its
// record is committed, and what is left of it is lost with the incarnation.
type producerIDs struct {
	next, end record.ProducerID // of the block in use
	asking    bool              // the controller is asked for a block
	waiting   []*Request
}

func (c *Core) onInitProducerID(r *Request) {
	req := r.Body.(*kmsg.InitProducerIDRequest)
	p := &c.producing
	switch {
	case req.TransactionalID != nil && *req.TransactionalID == "", (req.ProducerID == -1) != (req.ProducerEpoch == -1):
		c.answerInit(r, record.NoProducer, errcode.InvalidRequest)
	case req.TransactionalID != nil:
		c.answerInit(r, record.NoProducer, errcode.CoordinatorNotAvailable)
	case p.next < p.end:
		c.answerInit(r, p.next, errcode.None)
		p.next++
	default:
		p.waiting = append(p.waiting, r)
		p.ask(c)
	}
}

// ask has the controller give this broker a block. Its answer says that the block's record is committed.
func (p *producerIDs) ask(c *Core) {
	if p.asking {
		return
	}
	p.asking = true
	req := kmsg.NewPtrAllocateProducerIDsRequest()
	req.BrokerID, req.BrokerEpoch = int32(c.self), c.life.epoch
	c.askController(req, func(c *Core, resp kmsg.Response) {
		p.asking = false
		r, ok := resp.(*kmsg.AllocateProducerIDsResponse)
		if !ok || r.ErrorCode != 0 || r.ProducerIDLen <= 0 {
			p.refuse(c)
			return
		}
		p.next, p.end = record.ProducerID(r.ProducerIDStart), record.ProducerID(r.ProducerIDStart)+record.ProducerID(r.ProducerIDLen)
		for len(p.waiting) > 0 && p.next < p.end {
			c.answerInit(p.waiting[0], p.next, errcode.None)
			p.next++
			p.waiting = p.waiting[1:]
		}
		if len(p.waiting) > 0 {
			p.ask(c)
		}
	})
}

// refuse has those who wait ask again: there is no controller, or it does not know this broker.
func (p *producerIDs) refuse(c *Core) {
	for _, r := range p.waiting {
		c.answerInit(r, record.NoProducer, errcode.CoordinatorLoadInProgress)
	}
	p.waiting = nil
}

func (c *Core) answerInit(r *Request, id record.ProducerID, code errcode.Code) {
	response := r.Body.ResponseKind().(*kmsg.InitProducerIDResponse)
	response.ErrorCode, response.ProducerID, response.ProducerEpoch = int16(code), int64(id), -1
	if code == errcode.None {
		response.ProducerEpoch = 0
	}
	c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: response})
}

package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/controller"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/record"
)

// producerIDs hands out the ids of committed blocks (KIP-730). An id is given once in the life of the cluster: a block is used only when its
// record is committed, and what is left of it is lost with the incarnation.
type producerIDs struct {
	next, end record.ProducerID // of the block in use
	asked     record.Offset     // commit of the block asked for; 0: none
	first     record.ProducerID // of the block asked for
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
	case !c.meta.quorum.Active():
		c.answerInit(r, record.NoProducer, errcode.CoordinatorNotAvailable)
	default:
		p.waiting = append(p.waiting, r)
		p.ask(c)
	}
}

func (p *producerIDs) ask(c *Core) {
	if p.asked != 0 {
		return
	}
	var grant image.Record
	grant, p.first = controller.AllocateProducerIDs(c.working(), c.meta.broker)
	p.asked = c.appendMetadata([]image.Record{grant})
}

// granted takes the asked block into use once it is committed, and serves those who wait.
func (p *producerIDs) granted(c *Core, hw record.Offset) {
	if p.asked == 0 || hw < p.asked {
		return
	}
	p.next, p.end, p.asked = p.first, p.first+controller.ProducerIDBlock, 0
	for len(p.waiting) > 0 && p.next < p.end {
		c.answerInit(p.waiting[0], p.next, errcode.None)
		p.next++
		p.waiting = p.waiting[1:]
	}
	if len(p.waiting) > 0 {
		p.ask(c)
	}
}

// refuse ends a question whose record may never be committed.
func (p *producerIDs) refuse(c *Core) {
	for _, r := range p.waiting {
		c.answerInit(r, record.NoProducer, errcode.CoordinatorNotAvailable)
	}
	p.asked, p.waiting = 0, nil
}

func (c *Core) answerInit(r *Request, id record.ProducerID, code errcode.Code) {
	response := r.Body.ResponseKind().(*kmsg.InitProducerIDResponse)
	response.ErrorCode, response.ProducerID, response.ProducerEpoch = int16(code), int64(id), -1
	if code == errcode.None {
		response.ProducerEpoch = 0
	}
	c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: response})
}

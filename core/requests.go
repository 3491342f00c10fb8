package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/controller"
	"odradek/core/errcode"
	"odradek/core/image"
	"odradek/core/query"
	"odradek/core/record"
)

// onRequest routes a client's request by its key. What the committed image alone answers does not come here: the connection runs core/query.
func (c *Core) onRequest(r *Request) {
	switch r.Key {
	case api.Produce:
		c.onProduce(r)
	case api.Fetch:
		c.onFetch(r)
	case api.ListOffsets:
		c.onListOffsets(r)
	case api.Metadata:
		c.onMetadata(r)
	case api.CreateTopics:
		c.onCreateTopics(r)
	case api.DeleteTopics:
		c.onDeleteTopics(r)
	case api.DeleteRecords:
		c.onDeleteRecords(r)
	case api.AlterConfigs:
		c.onAlterConfigs(r)
	case api.IncrementalAlterConfigs:
		c.onIncrementalAlterConfigs(r)
	case api.CreatePartitions:
		c.onCreatePartitions(r)
	case api.DescribeLogDirs:
		c.onDescribeLogDirs(r)
	case api.OffsetForLeaderEpoch:
		c.onOffsetForLeaderEpoch(r)
	case api.DescribeProducers:
		c.onDescribeProducers(r)
	case api.InitProducerID:
		c.onInitProducerID(r)
	case api.Vote, api.BeginQuorumEpoch, api.EndQuorumEpoch:
		c.onPeerRequest(r)
	case api.DescribeQuorum:
		c.onDescribeQuorum(r)
	default:
		c.refuseUnserved(r)
	}
}

func (c *Core) controller() *controller.State {
	return &controller.State{Self: c.self, Config: c.cfg.At(c.meta.committed), NewID: c.newUUID}
}

// newUUID draws an id of a topic; Kafka's reserved ids (the first hundred) are not drawn.
func (c *Core) newUUID() record.UUID {
	for {
		var id record.UUID
		c.random.Bytes(id[:])
		if id[0] != 0 {
			id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4, as Kafka's Uuid.randomUuid
			return id
		}
	}
}

// onMetadata makes the topics that a Metadata request misses, then answers from the image in which they are committed.
func (c *Core) onMetadata(r *Request) {
	req := r.Body.(*kmsg.MetadataRequest)
	var records []image.Record
	if c.meta.quorum.Active() {
		records = c.controller().AutoCreate(c.working(), query.Missing(c.working(), req))
	}
	at := c.workingEnd()
	if len(records) > 0 {
		c.place(records)
		at = c.appendMetadata(records)
	}
	c.park(at, r, nil, autoCreateTimeoutMs)
}

// autoCreateTimeoutMs bounds the wait of a Metadata request for the topics it makes.
const autoCreateTimeoutMs = 30000

func (c *Core) onCreateTopics(r *Request) {
	req := r.Body.(*kmsg.CreateTopicsRequest)
	if code := c.meta.quorum.CanAppend(); code != errcode.None {
		response := req.ResponseKind().(*kmsg.CreateTopicsResponse)
		for i := range req.Topics {
			out := kmsg.NewCreateTopicsResponseTopic()
			out.Topic, out.ErrorCode = req.Topics[i].Topic, int16(code)
			response.Topics = append(response.Topics, out)
		}
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: response})
		return
	}
	records, response := c.controller().CreateTopics(c.working(), req)
	c.commitThenReply(r, records, response, req.TimeoutMillis)
}

func (c *Core) onDeleteTopics(r *Request) {
	req := r.Body.(*kmsg.DeleteTopicsRequest)
	if code := c.meta.quorum.CanAppend(); code != errcode.None {
		_, response := c.controller().DeleteTopics(c.meta.committed, req)
		for i := range response.Topics {
			response.Topics[i].ErrorCode = int16(code)
		}
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: response})
		return
	}
	records, response := c.controller().DeleteTopics(c.working(), req)
	c.commitThenReply(r, records, response, req.TimeoutMillis)
}

// commitThenReply appends records, if any, and parks the reply until the last record written is committed: also a reply that changed nothing, since it may
// tell of uncommitted records.
func (c *Core) commitThenReply(r *Request, records []image.Record, response kmsg.Response, timeoutMs int32) {
	at := c.workingEnd()
	if len(records) > 0 {
		c.place(records)
		at = c.appendMetadata(records)
	}
	c.park(at, r, response, max(timeoutMs, 0))
}

package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
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
	case api.DeleteRecords:
		c.onDeleteRecords(r)
	case api.DescribeLogDirs:
		c.onDescribeLogDirs(r)
	case api.OffsetForLeaderEpoch:
		c.onOffsetForLeaderEpoch(r)
	case api.DescribeProducers:
		c.onDescribeProducers(r)
	case api.InitProducerID:
		c.onInitProducerID(r)
	case api.FetchSnapshot:
		c.onFetchSnapshot(r)
	case api.CreateTopics, api.DeleteTopics, api.CreatePartitions, api.AlterConfigs, api.IncrementalAlterConfigs, api.ElectLeaders, api.UnregisterBroker,
		api.BrokerRegistration, api.BrokerHeartbeat, api.ControllerRegistration, api.AlterPartition, api.AllocateProducerIDs, api.AssignReplicasToDirs:
		c.onControl(r)
	case api.Vote, api.BeginQuorumEpoch, api.EndQuorumEpoch:
		c.onPeerRequest(r)
	case api.DescribeCluster: // at a listener of the controller's; others answer from the image
		body := query.DescribeControllers(c.queryView(), r.Body.(*kmsg.DescribeClusterRequest), c.meta.quorum.LeaderID())
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: body})
	case api.DescribeQuorum:
		c.onDescribeQuorum(r)
	default:
		c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: c.refusal(r.Body, errcode.UnsupportedVersion)}) // a listener takes it, and nothing here decides it yet
	}
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

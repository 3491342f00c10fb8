package core

import (
	"slices"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
)

// Who asks a node that does not lead is told who does, and where, so that it need not ask for metadata first (KIP-951). Like Kafka, by what the committed
// metadata say; a broker that is fenced is no place to go to.

func (c *Core) hintProduce(at api.Reached, response *api.ProduceResponse) {
	for i := range response.Partitions {
		if p := &response.Partitions[i]; p.Err == errcode.NotLeaderOrFollower {
			p.CurrentLeader, p.CurrentEpoch = c.leaderOf(p.Topic, p.Partition)
			response.Nodes = c.addNode(response.Nodes, p.CurrentLeader, at)
		}
	}
}

func (c *Core) hintFetch(at api.Reached, response *api.FetchResponse) {
	for i := range response.Partitions {
		if p := &response.Partitions[i]; p.Err == errcode.NotLeaderOrFollower || p.Err == errcode.FencedLeaderEpoch {
			p.CurrentLeader, p.CurrentEpoch = c.leaderOf(p.Topic, p.Partition)
			response.Nodes = c.addNode(response.Nodes, p.CurrentLeader, at)
		}
	}
}

func (c *Core) leaderOf(topic string, partition int32) (record.NodeID, record.Epoch) {
	t, ok := c.meta.committed.Topic(topic)
	if !ok || partition < 0 || int(partition) >= len(t.Partitions) {
		return record.NoNode, record.NoEpoch
	}
	p := t.Partitions[partition]
	return p.Leader, p.LeaderEpoch
}

func (c *Core) addNode(nodes []api.Node, id record.NodeID, at api.Reached) []api.Node {
	if slices.ContainsFunc(nodes, func(n api.Node) bool { return n.ID == id }) {
		return nodes
	}
	if node, ok := c.queryView().Node(id, at); ok {
		nodes = append(nodes, node)
	}
	return nodes
}

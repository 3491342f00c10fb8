package core

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/quorum"
	"odradek/core/record"
	"odradek/core/stream"
)

// onDescribeQuorum answers from what this node knows as leader of the metadata log; a broker that does not lead it sends the question on, as Kafka's does.
func (c *Core) onDescribeQuorum(r *Request) {
	req := r.Body.(*kmsg.DescribeQuorumRequest)
	var resp kmsg.Response
	switch {
	case !onlyMetadata(req):
		resp = unknownQuorum(req)
	case c.meta.quorum.Role() == quorum.Leader:
		resp = c.describeQuorum(req)
	case c.mayForward(r):
		c.forward(r, nil)
		return
	default:
		resp = c.refusal(req, errcode.NotLeaderOrFollower)
	}
	c.reply(Reply{Conn: r.Conn, Correlation: r.Correlation, Key: r.Key, Body: resp})
}

func onlyMetadata(req *kmsg.DescribeQuorumRequest) bool {
	return len(req.Topics) == 1 && req.Topics[0].Topic == stream.MetadataName && len(req.Topics[0].Partitions) == 1 && req.Topics[0].Partitions[0].Partition == 0
}

// unknownQuorum answers a question for other partitions: each is unknown, as Kafka has it.
func unknownQuorum(req *kmsg.DescribeQuorumRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.DescribeQuorumResponse)
	for i := range req.Topics {
		topic := kmsg.NewDescribeQuorumResponseTopic()
		topic.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := kmsg.NewDescribeQuorumResponseTopicPartition()
			p.Partition, p.ErrorCode = req.Topics[i].Partitions[j].Partition, int16(errcode.UnknownTopicOrPartition)
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

func (c *Core) describeQuorum(req *kmsg.DescribeQuorumRequest) kmsg.Response {
	q := c.meta.quorum
	resp := req.ResponseKind().(*kmsg.DescribeQuorumResponse)
	p := kmsg.NewDescribeQuorumResponseTopicPartition()
	p.LeaderID, p.LeaderEpoch, p.HighWatermark = int32(c.self), int32(q.Epoch()), int64(q.HighWatermark())
	for _, state := range q.Replicas(int64(c.now.Mono)) {
		s := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		s.ReplicaID, s.LogEndOffset = int32(state.ID), int64(state.End)
		s.LastFetchTimestamp, s.LastCaughtUpTimestamp = c.wallOf(state.Fetched), c.wallOf(state.CaughtUp)
		if state.Voter {
			p.CurrentVoters = append(p.CurrentVoters, s)
		} else {
			p.Observers = append(p.Observers, s)
		}
	}
	resp.Topics = []kmsg.DescribeQuorumResponseTopic{{Topic: stream.MetadataName, Partitions: []kmsg.DescribeQuorumResponseTopicPartition{p}}}
	for _, v := range c.cfg.Quorum.Voters {
		if len(c.cfg.Controllers) == 0 {
			break // alone: it is reached nowhere but here
		}
		node, l := kmsg.NewDescribeQuorumResponseNode(), kmsg.NewDescribeQuorumResponseNodeListener()
		l.Name, l.Host, l.Port = c.cfg.Controllers[0].Name, v.Host, uint16(v.Port)
		node.NodeID, node.Listeners = int32(v.ID), []kmsg.DescribeQuorumResponseNodeListener{l}
		resp.Nodes = append(resp.Nodes, node)
	}
	return resp
}

// wallOf turns a time of the node's own clock into one for people; −1 stays unknown.
func (c *Core) wallOf(mono int64) int64 {
	if mono < 0 {
		return -1
	}
	return int64(c.now.Wall - record.UnixMillis((int64(c.now.Mono)-mono)/1_000_000))
}

package clientlib

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/clientlib/proto"
	"odradek/core/errcode"
)

// Quorum is the metadata quorum as its leader knows it.
type Quorum struct {
	Leader        int32
	Epoch         int32
	HighWatermark int64
	Voters        []QuorumReplica // by id
	Observers     []QuorumReplica // by id
}

// QuorumReplica is one node's copy of the metadata log. Times are in milliseconds since 1970; −1: unknown.
type QuorumReplica struct {
	ID           int32
	End          int64 // of its log, as it last fetched; −1: unknown
	LastFetch    int64
	LastCaughtUp int64
}

// metadataLog is the name of the metadata log, whose quorum this is.
const metadataLog = "__cluster_metadata"

// Quorum describes the metadata quorum. Whatever broker is asked asks the leader.
func (a *Admin) Quorum(ctx context.Context) (Quorum, error) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	t := kmsg.NewDescribeQuorumRequestTopic()
	t.Topic, t.Partitions = metadataLog, []kmsg.DescribeQuorumRequestTopicPartition{kmsg.NewDescribeQuorumRequestTopicPartition()}
	req.Topics = append(req.Topics, t)
	resp, broker, err := ask(ctx, a, req, proto.Any(), func(r *kmsg.DescribeQuorumResponse) errcode.Code {
		switch code := errcode.Code(r.ErrorCode); code {
		case errcode.NotLeaderOrFollower, errcode.RequestTimedOut: // a leader is being elected
			return code
		}
		return errcode.None
	})
	if err == nil {
		err = refusal("DescribeQuorum", "", -1, broker, resp.ErrorCode, resp.ErrorMessage)
	}
	if err == nil && (len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1) {
		err = &proto.Error{Op: "DescribeQuorum", Partition: -1, Broker: broker, Cause: errors.New("the answer is not of the metadata log alone")}
	}
	if err != nil {
		return Quorum{}, err
	}
	p := &resp.Topics[0].Partitions[0]
	if err := refusal("DescribeQuorum", metadataLog, p.Partition, broker, p.ErrorCode, p.ErrorMessage); err != nil {
		return Quorum{}, err
	}
	return Quorum{p.LeaderID, p.LeaderEpoch, p.HighWatermark, quorumReplicas(p.CurrentVoters), quorumReplicas(p.Observers)}, nil
}

func quorumReplicas(told []kmsg.DescribeQuorumResponseTopicPartitionReplicaState) (out []QuorumReplica) {
	for i := range told {
		r := &told[i]
		out = append(out, QuorumReplica{r.ReplicaID, r.LogEndOffset, r.LastFetchTimestamp, r.LastCaughtUpTimestamp})
	}
	slices.SortFunc(out, func(a, b QuorumReplica) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Registered is a broker that the controller knows, whether it serves or not.
type Registered struct {
	Broker
	Fenced bool // it does not serve: its session is over, or it is starting
}

// Registered lists the brokers, fenced ones too where the cluster tells of them (from Kafka 4.0).
func (a *Admin) Registered(ctx context.Context) ([]Registered, error) {
	req := kmsg.NewPtrDescribeClusterRequest()
	req.EndpointType, req.IncludeFencedBrokers = 1, true
	resp, broker, err := ask[*kmsg.DescribeClusterResponse](ctx, a, req, proto.Any(), nil)
	if err == nil {
		err = refusal("DescribeCluster", "", -1, broker, resp.ErrorCode, resp.ErrorMessage)
	}
	if err != nil {
		return nil, err
	}
	var out []Registered
	for i := range resp.Brokers {
		b := &resp.Brokers[i]
		r := Registered{Broker: Broker{ID: b.NodeID, Address: net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))}, Fenced: b.IsFenced}
		if b.Rack != nil {
			r.Rack = *b.Rack
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Registered) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// Eligible is who may lead a partition besides its ISR (KIP-966).
type Eligible struct {
	ELR       []int32 // have every committed record, and are not in sync now
	LastKnown []int32 // led last, when nobody else was left
}

// Eligible tells who may lead the partitions of topics besides their ISRs. A cluster that does not tell (before Kafka 3.8) has none.
func (a *Admin) Eligible(ctx context.Context, names ...string) (map[TopicPartition]Eligible, error) {
	out := map[TopicPartition]Eligible{}
	req := kmsg.NewPtrDescribeTopicPartitionsRequest()
	for _, name := range slices.Sorted(slices.Values(names)) {
		t := kmsg.NewDescribeTopicPartitionsRequestTopic()
		t.Topic = name
		req.Topics = append(req.Topics, t)
	}
	for len(req.Topics) > 0 {
		resp, _, err := ask[*kmsg.DescribeTopicPartitionsResponse](ctx, a, req, proto.Any(), nil)
		if errors.Is(err, proto.ErrUnsupported) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range resp.Topics {
			t := &resp.Topics[i]
			for j := range t.Partitions {
				if p := &t.Partitions[j]; t.Topic != nil {
					out[TopicPartition{*t.Topic, p.Partition}] = Eligible{p.EligibleLeaderReplicas, p.LastKnownELR}
				}
			}
		}
		next := resp.NextCursor
		if next == nil || req.Cursor != nil && next.Topic == req.Cursor.Topic && next.Partition == req.Cursor.Partition {
			break // the end, or a broker that does not get on
		}
		req.Cursor = &kmsg.DescribeTopicPartitionsRequestCursor{Topic: next.Topic, Partition: next.Partition}
	}
	return out, nil
}

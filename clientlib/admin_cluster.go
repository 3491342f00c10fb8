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

// Cluster is the brokers of a cluster.
type Cluster struct {
	ID         string
	Controller int32 // -1: none that is known. Of a KRaft cluster it is the broker that takes what is for the controller
	Brokers    []Broker
}

// Broker is one broker.
type Broker struct {
	ID      int32
	Address string // host:port, as advertised
	Rack    string // empty: none
}

// Cluster describes the cluster.
func (a *Admin) Cluster(ctx context.Context) (Cluster, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, _, err := ask[*kmsg.MetadataResponse](ctx, a, req, proto.Any(), nil)
	if err != nil {
		return Cluster{}, err
	}
	out := Cluster{Controller: resp.ControllerID}
	if resp.ClusterID != nil {
		out.ID = *resp.ClusterID
	}
	for i := range resp.Brokers {
		b := &resp.Brokers[i]
		told := Broker{ID: b.NodeID, Address: net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))}
		if b.Rack != nil {
			told.Rack = *b.Rack
		}
		out.Brokers = append(out.Brokers, told)
	}
	slices.SortFunc(out.Brokers, func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// LogDir is a directory of a broker's.
type LogDir struct {
	Broker     int32
	Path       string
	TotalBytes int64 // of its disk; -1: not told (before Kafka 3.3)
	FreeBytes  int64 // -1: not told
	Replicas   []Replica
	Err        error // the directory cannot be used
}

// Replica is a replica's log in a LogDir.
type Replica struct {
	Topic     string
	Partition int32
	Bytes     int64
	Lag       int64 // records behind the high watermark
	Future    bool  // it is being moved here
}

// LogDirs describes the directories of the given brokers, of all if none is given.
func (a *Admin) LogDirs(ctx context.Context, brokers ...int32) ([]LogDir, error) {
	if len(brokers) == 0 {
		cluster, err := a.Cluster(ctx)
		if err != nil {
			return nil, err
		}
		for _, b := range cluster.Brokers {
			brokers = append(brokers, b.ID)
		}
	}
	var out []LogDir
	var failed []error
	for _, id := range brokers {
		resp, broker, err := ask[*kmsg.DescribeLogDirsResponse](ctx, a, kmsg.NewPtrDescribeLogDirsRequest(), proto.Broker(id), nil)
		if err == nil {
			err = refusal("DescribeLogDirs", "", -1, broker, resp.ErrorCode, nil)
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for i := range resp.Dirs {
			out = append(out, logDir(id, broker, &resp.Dirs[i]))
		}
	}
	return out, errors.Join(failed...)
}

func logDir(id int32, broker string, told *kmsg.DescribeLogDirsResponseDir) LogDir {
	d := LogDir{Broker: id, Path: told.Dir, TotalBytes: told.TotalBytes, FreeBytes: told.UsableBytes, Err: refusal("DescribeLogDirs", "", -1, broker, told.ErrorCode, nil)}
	for i := range told.Topics {
		t := &told.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			d.Replicas = append(d.Replicas, Replica{t.Topic, p.Partition, p.Size, p.OffsetLag, p.IsFuture})
		}
	}
	slices.SortFunc(d.Replicas, func(a, b Replica) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return d
}

// ActiveProducer is a producer id that a partition's leader remembers.
type ActiveProducer struct {
	TopicPartition
	ID            int64
	Epoch         int32
	LastSequence  int32 // -1: none
	LastTimestamp int64 // in milliseconds; -1: none
	TxnStart      int64 // first offset of its open transaction; -1: none
}

// Producers tells whose sequences the leaders of partitions remember.
func (a *Admin) Producers(ctx context.Context, partitions ...TopicPartition) ([]ActiveProducer, error) {
	var out []ActiveProducer
	err := a.perLeader(ctx, partitions, func(list []TopicPartition, to proto.Target) ([]decided, error) {
		req := kmsg.NewPtrDescribeProducersRequest()
		for _, tp := range list {
			if n := len(req.Topics); n == 0 || req.Topics[n-1].Topic != tp.Topic {
				t := kmsg.NewDescribeProducersRequestTopic()
				t.Topic = tp.Topic
				req.Topics = append(req.Topics, t)
			}
			t := &req.Topics[len(req.Topics)-1]
			t.Partitions = append(t.Partitions, tp.Partition)
		}
		resp, broker, err := ask[*kmsg.DescribeProducersResponse](ctx, a, req, to, nil)
		if err != nil {
			return nil, err
		}
		var done []decided
		for i := range resp.Topics {
			for j := range resp.Topics[i].Partitions {
				p := &resp.Topics[i].Partitions[j]
				tp := TopicPartition{resp.Topics[i].Topic, p.Partition}
				done = append(done, decided{tp, errcode.Code(p.ErrorCode), refusal("DescribeProducers", tp.Topic, tp.Partition, broker, p.ErrorCode, p.ErrorMessage)})
				for _, w := range p.ActiveProducers {
					out = append(out, ActiveProducer{tp, w.ProducerID, w.ProducerEpoch, w.LastSequence, w.LastTimestamp, w.CurrentTxnStartOffset})
				}
			}
		}
		return done, nil
	})
	return out, err
}

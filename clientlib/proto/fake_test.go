package proto

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/errcode"
	"odradek/core/record"
)

// fakeCluster is brokers that share their logs, as if replication were instant, and do what Kafka promises of idempotent producers. Nothing of it is ours but the
// formats: it is what the client is judged against.
type fakeCluster struct {
	topic   string
	parts   []*fakePartition
	brokers int32
	links   map[LinkID]*fakeLink
	lastPID int64
	refuse  []errcode.Code       // of the next Produce partitions
	seen    func(b record.Batch) // is shown what was produced; may be nil
}

type fakePartition struct {
	leader    int32
	epoch     int32
	log       []fakeBatch
	end       int64
	producers map[int64][]fakeSeen // the last five batches of each
}

type fakeBatch struct {
	base   int64
	epoch  int32
	values []string
	data   []byte
}

type fakeSeen struct {
	sequence, count int32
	base            int64
}

// fakeLink is one connection: requests that have come and answers that have not gone.
type fakeLink struct {
	broker   int32
	open     bool
	in       []byte
	requests [][]byte
	answers  []byte
}

func newFakeCluster(brokers, partitions int32) *fakeCluster {
	f := &fakeCluster{topic: "t", brokers: brokers, links: map[LinkID]*fakeLink{}}
	for i := range partitions {
		f.parts = append(f.parts, &fakePartition{leader: i % brokers, producers: map[int64][]fakeSeen{}})
	}
	return f
}

// address of a broker: its number is the port.
func (f *fakeCluster) address(broker int32) string { return fmt.Sprintf("b:%d", 9000+broker) }

func (f *fakeCluster) dial(d Dial) {
	var port int32
	fmt.Sscanf(d.Address, "b:%d", &port)
	f.links[d.Link] = &fakeLink{broker: port - 9000}
}

// write takes bytes of a client and cuts them into requests.
func (l *fakeLink) write(p []byte) {
	l.in = append(l.in, p...)
	for len(l.in) >= 4 {
		size := int(binary.BigEndian.Uint32(l.in))
		if len(l.in) < 4+size {
			return
		}
		l.requests = append(l.requests, slices.Clone(l.in[4:4+size]))
		l.in = l.in[4+size:]
	}
}

// serve carries out the next request of a link; its answer waits.
func (f *fakeCluster) serve(l *fakeLink) {
	frame := l.requests[0]
	l.requests = l.requests[1:]
	key, version := int16(binary.BigEndian.Uint16(frame)), int16(binary.BigEndian.Uint16(frame[2:]))
	req := kmsg.RequestForKey(key)
	req.SetVersion(version)
	body := frame[8:]
	body = body[2+int(binary.BigEndian.Uint16(body)):]
	if req.IsFlexible() {
		body = body[1:]
	}
	if err := req.ReadFrom(body); err != nil {
		panic(fmt.Sprintf("key %d version %d: %v", key, version, err))
	}
	resp := f.answer(l.broker, req)
	if resp == nil {
		return
	}
	resp.SetVersion(version)
	out := append([]byte{0, 0, 0, 0}, frame[4:8]...)
	if resp.IsFlexible() && key != 18 {
		out = append(out, 0)
	}
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	l.answers = append(l.answers, out...)
}

func (f *fakeCluster) answer(broker int32, req kmsg.Request) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
		for _, k := range [][3]int16{{0, 3, 12}, {1, 4, 17}, {2, 1, 8}, {3, 0, 12}, {18, 0, 4}, {22, 0, 4}, {23, 2, 4}} {
			resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: k[0], MinVersion: k[1], MaxVersion: k[2]})
		}
		return resp
	case *kmsg.MetadataRequest:
		return f.metadata(req)
	case *kmsg.InitProducerIDRequest:
		f.lastPID++
		resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
		resp.ProducerID = f.lastPID
		return resp
	case *kmsg.ProduceRequest:
		return f.produce(broker, req)
	case *kmsg.ListOffsetsRequest:
		return f.listOffsets(broker, req)
	case *kmsg.FetchRequest:
		return f.fetch(broker, req)
	case *kmsg.OffsetForLeaderEpochRequest:
		return f.epochEnds(broker, req)
	}
	panic(fmt.Sprintf("a request that nobody serves: %T", req))
}

func (f *fakeCluster) metadata(req *kmsg.MetadataRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	for i := range f.brokers {
		resp.Brokers = append(resp.Brokers, kmsg.MetadataResponseBroker{NodeID: i, Host: "b", Port: 9000 + i})
	}
	for _, t := range req.Topics {
		out := kmsg.NewMetadataResponseTopic()
		out.Topic = t.Topic
		if *t.Topic != f.topic {
			out.ErrorCode = int16(errcode.UnknownTopicOrPartition)
		} else {
			out.TopicID = [16]byte{7}
			for i, p := range f.parts {
				part := kmsg.NewMetadataResponseTopicPartition()
				part.Partition, part.Leader, part.LeaderEpoch = int32(i), p.leader, p.epoch
				out.Partitions = append(out.Partitions, part)
			}
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (f *fakeCluster) produce(broker int32, req *kmsg.ProduceRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		out := kmsg.NewProduceResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			r := kmsg.NewProduceResponseTopicPartition()
			r.Partition = p.Partition
			code, base := f.append(broker, p.Partition, p.Records)
			r.ErrorCode, r.BaseOffset = int16(code), base
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
	if req.Acks == 0 {
		return nil
	}
	return resp
}

func (f *fakeCluster) append(broker, partition int32, data []byte) (errcode.Code, int64) {
	p := f.parts[partition]
	if p.leader != broker {
		return errcode.NotLeaderOrFollower, -1
	}
	if b, err := record.ParseHeader(data); err == nil && f.seen != nil {
		f.seen(b)
	}
	after := errcode.None
	if len(f.refuse) > 0 {
		code := f.refuse[0]
		f.refuse = f.refuse[1:]
		switch code {
		case errcode.None:
		case errcode.NotEnoughReplicasAppend: // it is in the leader's log
			after = code
		default:
			return code, -1
		}
	}
	it := record.Batches(data)
	if !it.Next() || it.Batch.CheckCRC() != nil {
		return errcode.CorruptMessage, -1
	}
	b := it.Batch
	if b.ProducerID >= 0 {
		if code, base, decided := p.sequence(&b); decided {
			return code, base
		}
	}
	stored := fakeBatch{base: p.end, epoch: p.epoch}
	records := b.Records(nil, nil)
	for records.Next() {
		stored.values = append(stored.values, string(records.Record.Value))
	}
	stored.data = slices.Clone(data)
	binary.BigEndian.PutUint64(stored.data, uint64(p.end))
	binary.BigEndian.PutUint32(stored.data[12:], uint32(p.epoch))
	p.log = append(p.log, stored)
	if b.ProducerID >= 0 {
		seen := append(p.producers[int64(b.ProducerID)], fakeSeen{b.BaseSequence, b.Count, p.end})
		p.producers[int64(b.ProducerID)] = seen[max(0, len(seen)-5):]
	}
	p.end += int64(b.Count)
	if after != errcode.None {
		return after, -1
	}
	return errcode.None, stored.base
}

// sequence decides what an idempotent producer's batch is: the next one (not decided), one of the last five, or out of order. Of a producer that it does not know
// a broker takes any sequence (KAFKA-14359).
func (p *fakePartition) sequence(b *record.Batch) (code errcode.Code, base int64, decided bool) {
	seen := p.producers[int64(b.ProducerID)]
	if len(seen) == 0 {
		return 0, 0, false
	}
	for _, s := range seen {
		if s.sequence == b.BaseSequence && s.count == b.Count {
			return errcode.None, s.base, true
		}
	}
	last := seen[len(seen)-1]
	if b.BaseSequence != record.AddSequence(last.sequence, last.count) {
		return errcode.OutOfOrderSequenceNumber, -1, true
	}
	return 0, 0, false
}

func (f *fakeCluster) listOffsets(broker int32, req *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, t := range req.Topics {
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = t.Topic
		for _, q := range t.Partitions {
			p := f.parts[q.Partition]
			r := kmsg.NewListOffsetsResponseTopicPartition()
			r.Partition, r.LeaderEpoch = q.Partition, p.epoch
			switch {
			case p.leader != broker:
				r.ErrorCode = int16(errcode.NotLeaderOrFollower)
			case q.Timestamp == -1:
				r.Offset = p.end
			default:
				r.Offset = 0
			}
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// fetch answers without a session: every request is a full one.
func (f *fakeCluster) fetch(broker int32, req *kmsg.FetchRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	for _, t := range req.Topics {
		out := kmsg.NewFetchResponseTopic()
		out.Topic, out.TopicID = t.Topic, t.TopicID
		for _, q := range t.Partitions {
			p := f.parts[q.Partition]
			r := kmsg.NewFetchResponseTopicPartition()
			r.Partition, r.HighWatermark, r.LogStartOffset = q.Partition, p.end, 0
			switch {
			case p.leader != broker:
				r.ErrorCode = int16(errcode.NotLeaderOrFollower)
			case q.FetchOffset > p.end || q.FetchOffset < 0:
				r.ErrorCode = int16(errcode.OffsetOutOfRange)
			default:
				for _, b := range p.log {
					if b.base+int64(len(b.values)) > q.FetchOffset && len(r.RecordBatches) < int(q.PartitionMaxBytes) {
						r.RecordBatches = append(r.RecordBatches, b.data...)
					}
				}
			}
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (f *fakeCluster) epochEnds(broker int32, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
	for _, t := range req.Topics {
		out := kmsg.NewOffsetForLeaderEpochResponseTopic()
		out.Topic = t.Topic
		for _, q := range t.Partitions {
			p := f.parts[q.Partition]
			r := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
			r.Partition, r.LeaderEpoch, r.EndOffset = q.Partition, q.LeaderEpoch, p.end
			if p.leader != broker {
				r.ErrorCode = int16(errcode.NotLeaderOrFollower)
			}
			for _, b := range slices.Backward(p.log) {
				if b.epoch > q.LeaderEpoch {
					r.EndOffset = b.base
				}
			}
			out.Partitions = append(out.Partitions, r)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

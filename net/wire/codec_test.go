package wire

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/core/errcode"
	"odradek/core/record"
	"odradek/core/stream"
)

// kmsg is the second opinion: what it encodes we decode to the same, and what we encode it decodes to the same, in every version.

func randProduce(r *rand.Rand, version int16) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(version)
	req.Acks, req.TimeoutMillis = int16(r.IntN(3)-1), int32(r.Uint32())
	if r.IntN(2) == 0 {
		req.TransactionID = kmsg.StringPtr("tx")
	}
	for range r.IntN(4) {
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic = word(r)
		for range r.IntN(4) {
			part := kmsg.NewProduceRequestTopicPartition()
			part.Partition = int32(r.IntN(100))
			part.Records = bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(300))
			topic.Partitions = append(topic.Partitions, part)
		}
		if version >= produceFlexible {
			topic.UnknownTags.Set(77, []byte("later"))
		}
		req.Topics = append(req.Topics, topic)
	}
	return req
}

func TestProduceRequestAgainstKmsg(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for version := int16(3); version <= 11; version++ {
		for range 60 {
			req := randProduce(r, version)
			f := frameOf(9, req)
			f.ID = 5
			c := NewConn(Info{Conn: 3, Peer: "peer"})
			v, err := c.Frame(&Env{Prepare: plainPrepare}, f)
			if err != nil {
				t.Fatalf("v%d: %v", version, err)
			}
			got := v.Request.Produce
			var want []api.ProducePartition
			for _, topic := range req.Topics {
				for _, p := range topic.Partitions {
					part := plainPrepare(nil, topic.Topic, record.UUID{}, p.Partition, p.Records, 5, version)
					want = append(want, part)
				}
			}
			tx := ""
			if req.TransactionID != nil {
				tx = *req.TransactionID
			}
			if got.Acks != req.Acks || got.TimeoutMs != req.TimeoutMillis || got.TransactionalID != tx || len(got.Partitions) != len(want) {
				t.Fatalf("v%d: got %+v\nwant %+v", version, got, req)
			}
			for i := range want {
				if data := got.Partitions[i].Batch.Data; cap(data) != len(data) {
					t.Fatalf("v%d partition %d: an append to the batch would reach what follows it in the frame", version, i)
				}
				if fmt.Sprintf("%+v", got.Partitions[i]) != fmt.Sprintf("%+v", want[i]) {
					t.Fatalf("v%d partition %d: got %+v\nwant %+v", version, i, got.Partitions[i], want[i])
				}
			}
			if v.Request.ClientID != "client" || v.Request.Frame != 5 || !v.Submit {
				t.Fatalf("v%d: %+v", version, v.Request)
			}
			if batches := len(want); v.Batches != batches {
				t.Fatalf("v%d: %d batches hold the frame, want %d", version, v.Batches, batches)
			}
		}
	}
}

func TestProduceResponseAgainstKmsg(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	for version := int16(3); version <= 11; version++ {
		for range 60 {
			resp := &api.ProduceResponse{}
			for range r.IntN(6) {
				p := api.ProduceResult{Topic: word(r), Partition: int32(r.IntN(9)), Err: errcode.Code(r.IntN(90)), BaseOffset: record.Offset(r.Int64()),
					LogAppendTime: record.UnixMillis(r.Int64()), LogStart: record.Offset(r.Int64()), Message: word(r), CurrentLeader: record.NoNode}
				for range r.IntN(3) {
					p.Errors = append(p.Errors, api.RecordError{Index: int32(r.IntN(9)), Message: word(r)})
				}
				if r.IntN(2) == 0 {
					p.CurrentLeader, p.CurrentEpoch = record.NodeID(r.IntN(5)), record.Epoch(r.IntN(5))
				}
				resp.Partitions = append(resp.Partitions, p)
			}
			resp.Nodes = randNodes(r)
			body := appendProduceResponse(nil, resp, version, 123)
			var k kmsg.ProduceResponse
			k.SetVersion(version)
			if err := k.ReadFrom(body); err != nil {
				t.Fatalf("v%d: %v", version, err)
			}
			// kmsg writes it back to the same bytes: nothing was left over or misread.
			if again := k.AppendTo(nil); !bytes.Equal(again, body) {
				t.Fatalf("v%d:\n%x\n%x", version, body, again)
			}
			checkProduceResponse(t, version, &k, resp)
			var nodes []api.Node
			for _, b := range k.Brokers {
				nodes = append(nodes, api.Node{ID: record.NodeID(b.NodeID), Host: b.Host, Port: b.Port, Rack: b.Rack})
			}
			checkNodes(t, version >= 10, nodes, resp.Nodes)
		}
	}
}

func randNodes(r *rand.Rand) (nodes []api.Node) {
	for range r.IntN(3) {
		n := api.Node{ID: record.NodeID(r.IntN(9)), Host: word(r), Port: int32(r.IntN(65536))}
		if rack := word(r); r.IntN(2) == 0 {
			n.Rack = &rack
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// checkNodes compares the brokers that a response names (KIP-951); a version that has none names none.
func checkNodes(t *testing.T, has bool, got, want []api.Node) {
	t.Helper()
	if !has {
		want = nil
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("brokers %+v, want %+v", got, want)
	}
}

func checkProduceResponse(t *testing.T, version int16, k *kmsg.ProduceResponse, want *api.ProduceResponse) {
	t.Helper()
	i := 0
	for _, topic := range k.Topics {
		for _, p := range topic.Partitions {
			w := want.Partitions[i]
			i++
			ok := topic.Topic == w.Topic && p.Partition == w.Partition && p.ErrorCode == int16(w.Err) && p.BaseOffset == int64(w.BaseOffset)
			ok = ok && p.LogAppendTime == int64(w.LogAppendTime) && (version < 5 || p.LogStartOffset == int64(w.LogStart))
			if version >= 8 {
				ok = ok && deref(p.ErrorMessage) == w.Message && len(p.ErrorRecords) == len(w.Errors)
				for j := range w.Errors {
					ok = ok && p.ErrorRecords[j].RelativeOffset == w.Errors[j].Index && deref(p.ErrorRecords[j].ErrorMessage) == w.Errors[j].Message
				}
			}
			if version >= 10 && w.CurrentLeader != record.NoNode {
				ok = ok && p.CurrentLeader.LeaderID == int32(w.CurrentLeader) && p.CurrentLeader.LeaderEpoch == int32(w.CurrentEpoch)
			}
			if !ok {
				t.Fatalf("v%d: got %+v\nwant %+v", version, p, w)
			}
		}
	}
	if i != len(want.Partitions) || version >= 1 && k.ThrottleMillis != 123 {
		t.Fatalf("v%d: %d of %d partitions, throttle %d", version, i, len(want.Partitions), k.ThrottleMillis)
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func randFetch(r *rand.Rand, version int16) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(version)
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = int32(r.Uint32()), int32(r.Uint32()), int32(r.Uint32())
	req.IsolationLevel, req.Rack = int8(r.IntN(2)), word(r)
	req.ReplicaID = int32(r.IntN(3) - 1)
	if version >= 15 {
		req.ReplicaID = -1
		req.ReplicaState.ID, req.ReplicaState.Epoch = int32(r.IntN(3)-1), r.Int64N(3)-1
	}
	if version >= 7 {
		req.SessionID, req.SessionEpoch = int32(r.Uint32()), int32(r.Uint32())
	}
	if version >= 12 && r.IntN(2) == 0 {
		req.ClusterID = kmsg.StringPtr("cluster")
		req.UnknownTags.Set(99, []byte{1, 2, 3})
	}
	for range r.IntN(5) {
		topic := kmsg.NewFetchRequestTopic()
		topic.Topic, topic.TopicID = word(r), randUUID(r)
		for range r.IntN(4) {
			p := kmsg.NewFetchRequestTopicPartition()
			p.Partition, p.FetchOffset, p.PartitionMaxBytes = int32(r.IntN(9)), r.Int64(), int32(r.Uint32())
			p.CurrentLeaderEpoch, p.LastFetchedEpoch, p.LogStartOffset = int32(r.IntN(9)), int32(r.IntN(9)), r.Int64()
			if version >= 17 {
				p.ReplicaDirectoryID, p.HighWatermark = randUUID(r), r.Int64()
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		req.Topics = append(req.Topics, topic)
		forgotten := kmsg.NewFetchRequestForgottenTopic()
		forgotten.Topic, forgotten.TopicID, forgotten.Partitions = word(r), randUUID(r), []int32{1, 2}[:r.IntN(3)]
		req.ForgottenTopics = append(req.ForgottenTopics, forgotten)
	}
	return req
}

// wantFetch translates kmsg's struct by the versions of Kafka's schema, independently of the decoder.
func wantFetch(k *kmsg.FetchRequest) *api.FetchRequest {
	v := k.Version
	w := &api.FetchRequest{ReplicaID: record.NodeID(k.ReplicaID), ReplicaEpoch: -1, MaxWaitMs: k.MaxWaitMillis, MinBytes: k.MinBytes, MaxBytes: k.MaxBytes,
		Isolation: api.Isolation(k.IsolationLevel), SessionEpoch: -1, ByID: v >= 13, Partitions: []api.FetchPartition{}}
	if v >= 15 {
		w.ReplicaID, w.ReplicaEpoch = record.NodeID(k.ReplicaState.ID), k.ReplicaState.Epoch
	}
	if v >= 7 {
		w.SessionID, w.SessionEpoch = k.SessionID, k.SessionEpoch
	}
	if v >= 11 {
		w.Rack = k.Rack
	}
	for _, topic := range k.Topics {
		for _, p := range topic.Partitions {
			x := api.FetchPartition{Partition: p.Partition, CurrentEpoch: -1, LastFetchedEpoch: -1, LogStart: -1, MaxBytes: p.PartitionMaxBytes,
				Offset: record.Offset(p.FetchOffset)}
			if v >= 13 {
				x.TopicID = topic.TopicID
			} else {
				x.Topic = topic.Topic
			}
			if v >= 9 {
				x.CurrentEpoch = record.Epoch(p.CurrentLeaderEpoch)
			}
			if v >= 12 {
				x.LastFetchedEpoch = record.Epoch(p.LastFetchedEpoch)
			}
			if v >= 5 {
				x.LogStart = record.Offset(p.LogStartOffset)
			}
			w.Partitions = append(w.Partitions, x)
		}
	}
	for _, topic := range k.ForgottenTopics {
		for _, p := range topic.Partitions {
			switch {
			case v >= 13:
				w.Forgotten = append(w.Forgotten, api.FetchForgotten{TopicID: topic.TopicID, Partition: p})
			case v >= 7:
				w.Forgotten = append(w.Forgotten, api.FetchForgotten{Topic: topic.Topic, Partition: p})
			}
		}
	}
	return w
}

func TestFetchRequestAgainstKmsg(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for version := int16(4); version <= 18; version++ {
		for range 60 {
			req := randFetch(r, version)
			v, err := NewConn(Info{}).Frame(&Env{}, frameOf(9, req))
			if err != nil {
				t.Fatalf("v%d: %v", version, err)
			}
			if got, want := v.Request.Fetch, wantFetch(req); !reflect.DeepEqual(got, want) {
				t.Fatalf("v%d:\ngot  %+v\nwant %+v", version, got, want)
			}
		}
	}
}

func TestFetchResponseAgainstKmsg(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	for version := int16(4); version <= 18; version++ {
		for range 60 {
			resp := &api.FetchResponse{Err: errcode.Code(r.IntN(9)), SessionID: int32(r.Uint32()), ByID: version >= 13}
			for range r.IntN(6) {
				p := api.FetchResult{Topic: word(r), Partition: int32(r.IntN(9)), Err: errcode.Code(r.IntN(9)), HighWatermark: record.Offset(r.Int64()),
					LastStable: record.Offset(r.Int64()), LogStart: record.Offset(r.Int64()), CurrentLeader: record.NoNode, Extents: randExtents(r)}
				p.TopicID[0] = byte(r.IntN(3))
				if r.IntN(2) == 0 {
					p.CurrentLeader, p.CurrentEpoch = record.NodeID(r.IntN(5)), record.Epoch(r.IntN(5))
				}
				if r.IntN(2) == 0 {
					p.Diverges, p.DivergingEpoch, p.DivergingEnd = true, record.Epoch(r.IntN(5)), record.Offset(r.Int64())
				}
				if r.IntN(2) == 0 {
					p.TopicID = stream.MetadataTopic
				}
				if r.IntN(2) == 0 {
					p.HasSnapshot, p.SnapshotEpoch, p.SnapshotEnd = true, record.Epoch(r.IntN(5)), record.Offset(r.Int64())
				}
				resp.Partitions = append(resp.Partitions, p)
			}
			resp.Nodes = randNodes(r)
			body, cuts, beyond := appendFetchResponse(nil, nil, resp, version, 77)
			whole := gather(Outgoing{Pieces: splice(nil, body, cuts)})
			if int64(len(whole)) != int64(len(body))+beyond {
				t.Fatalf("v%d: %d bytes in pieces, %d + %d said", version, len(whole), len(body), beyond)
			}
			var k kmsg.FetchResponse
			k.SetVersion(version)
			if err := k.ReadFrom(whole); err != nil {
				t.Fatalf("v%d: %v", version, err)
			}
			if again := k.AppendTo(nil); !bytes.Equal(again, whole) {
				t.Fatalf("v%d:\n%x\n%x", version, whole, again)
			}
			checkFetchResponse(t, version, &k, resp)
			var nodes []api.Node
			for _, b := range k.Brokers {
				nodes = append(nodes, api.Node{ID: record.NodeID(b.NodeID), Host: b.Host, Port: b.Port, Rack: b.Rack})
			}
			checkNodes(t, version >= 16, nodes, resp.Nodes)
		}
	}
}

// sameFetchTags compares what tagged fields say, absent ones included.
func sameFetchTags(version int16, p *kmsg.FetchResponseTopicPartition, w *api.FetchResult) bool {
	want := kmsg.NewFetchResponseTopicPartition()
	if version >= 12 && w.Diverges {
		want.DivergingEpoch.Epoch, want.DivergingEpoch.EndOffset = int32(w.DivergingEpoch), int64(w.DivergingEnd)
	}
	if version >= 16 && w.CurrentLeader != record.NoNode || version >= 12 && w.TopicID == stream.MetadataTopic {
		want.CurrentLeader.LeaderID, want.CurrentLeader.LeaderEpoch = int32(w.CurrentLeader), int32(w.CurrentEpoch)
	}
	if version >= 12 && w.HasSnapshot {
		want.SnapshotID.Epoch, want.SnapshotID.EndOffset = int32(w.SnapshotEpoch), int64(w.SnapshotEnd)
	}
	return reflect.DeepEqual([]any{p.DivergingEpoch, p.CurrentLeader, p.SnapshotID}, []any{want.DivergingEpoch, want.CurrentLeader, want.SnapshotID})
}

func checkFetchResponse(t *testing.T, version int16, k *kmsg.FetchResponse, want *api.FetchResponse) {
	t.Helper()
	i := 0
	for _, topic := range k.Topics {
		for _, p := range topic.Partitions {
			w := want.Partitions[i]
			i++
			ok := p.Partition == w.Partition && p.ErrorCode == int16(w.Err) && p.HighWatermark == int64(w.HighWatermark)
			ok = ok && p.LastStableOffset == int64(w.LastStable) && len(p.RecordBatches) == int(w.Size()) && p.PreferredReadReplica == -1
			ok = ok && (version < 5 || p.LogStartOffset == int64(w.LogStart))
			if version >= 13 {
				ok = ok && topic.TopicID == w.TopicID
			} else {
				ok = ok && topic.Topic == w.Topic
			}
			if !ok || !sameFetchTags(version, &p, &w) {
				t.Fatalf("v%d: got %+v\nwant %+v", version, p, w)
			}
		}
	}
	if i != len(want.Partitions) || k.ThrottleMillis != 77 || version >= 7 && (k.SessionID != want.SessionID || k.ErrorCode != int16(want.Err)) {
		t.Fatalf("v%d: %d of %d partitions; %+v", version, i, len(want.Partitions), k)
	}
}

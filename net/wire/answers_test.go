package wire

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/core/api"
	"odradek/internal/allocs"
)

// randAnswer is an answer to a Fetch with everything that one may have.
func randAnswer(r *rand.Rand, version int16) *kmsg.FetchResponse {
	resp := kmsg.NewPtrFetchResponse()
	resp.SetVersion(version)
	for range r.IntN(3) + 1 {
		topic := kmsg.NewFetchResponseTopic()
		topic.Topic, topic.TopicID = word(r), randUUID(r)
		for range r.IntN(4) {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.HighWatermark, p.ErrorCode = int32(r.IntN(9)), r.Int64(), int16(r.IntN(9))
			if r.IntN(2) == 0 {
				p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 3}, {FirstOffset: 9}}
			}
			p.RecordBatches = bytes.Repeat([]byte{7}, r.IntN(300))
			if version >= 12 && r.IntN(2) == 0 {
				p.DivergingEpoch.Epoch, p.SnapshotID.EndOffset, p.CurrentLeader.LeaderID = 1, 2, 3
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// answerFrame is a response as it comes, without its size field.
func answerFrame(resp kmsg.Response) []byte {
	out := appendResponseHeader(nil, 9, responseTags(api.Key(resp.Key()), resp.IsFlexible()))
	return resp.AppendTo(out)[4:]
}

// An answer that is right is taken as it is; one cut off, or with an array that it does not hold, is refused at no great cost.
func TestFetchAnswers(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	for version := int16(4); version <= 18; version++ {
		req := kmsg.NewPtrFetchRequest()
		req.SetVersion(version)
		for range 20 {
			resp := randAnswer(r, version)
			frame := answerFrame(resp)
			number, got, err := DecodeAnswer(req, frame)
			if err != nil || number != 9 || !bytes.Equal(got.AppendTo(nil), resp.AppendTo(nil)) {
				t.Fatalf("v%d: %v", version, err)
			}
			for cut := range frame {
				if _, _, err := DecodeAnswer(req, frame[:cut]); err == nil {
					t.Fatalf("v%d: cut to %d of %d bytes is taken", version, cut, len(frame))
				}
			}
		}
		if version != 4 && version != 11 && version != 17 {
			continue
		}
		resp := kmsg.NewPtrFetchResponse()
		resp.SetVersion(version)
		p := kmsg.NewFetchResponseTopicPartition()
		p.AbortedTransactions, p.RecordBatches = []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 3}}, []byte("records")
		resp.Topics = []kmsg.FetchResponseTopic{{Topic: "t", Partitions: []kmsg.FetchResponseTopicPartition{p, p}}}
		frame := answerFrame(resp)
		for at := 4; at < len(frame); at++ {
			for _, lie := range [][]byte{{0xff, 0xff, 0xff, 0x7f}, {0, 0x0f, 0xff, 0xff}, {0xff, 0xff, 0x3f}} {
				bad := append(append(bytes.Clone(frame[:at]), lie...), make([]byte, 1<<17)...)
				if cost := allocs.Over(24*uint64(len(bad)), func() { _, _, _ = DecodeAnswer(req, bad) }); cost > 0 {
					t.Fatalf("v%d, lie at %d: %d bytes allocated for %d", version, at, cost, len(bad))
				}
			}
		}
	}
}

// FuzzAnswer: whatever another node answers, the machine ends the call once and goes on, and what it takes of a Fetch is what kmsg reads.
func FuzzAnswer(f *testing.F) {
	r := rand.New(rand.NewPCG(9, 9))
	for range 3 {
		f.Add(answerFrame(randAnswer(r, 17)))
	}
	f.Add(answerFrame(kmsg.NewPtrBrokerHeartbeatResponse()))
	f.Fuzz(func(t *testing.T, frame []byte) {
		req := kmsg.NewPtrFetchRequest()
		req.SetVersion(17)
		if cost := allocs.Over(costFixed+costPerByte*uint64(len(frame)), func() { _, _, _ = DecodeAnswer(req, frame) }); cost > 0 {
			t.Fatalf("%d bytes allocated for %d", cost, len(frame))
		}
		if _, resp, err := DecodeAnswer(req, frame); err == nil {
			if _, same, theirs := DecodeResponse(req, frame); theirs != nil || !reflect.DeepEqual(resp, same) {
				t.Fatalf("taken; kmsg: %v", theirs)
			}
		}
		w := newPeerWorld(t)
		w.call(1, "a:1", 1000)
		w.connected()
		w.reply(w.numbers[0])
		w.deliver(len(w.stream))
		w.spoiled = true
		w.stream = append(appendI32(nil, int32(len(frame))), frame...)
		w.deliver(len(w.stream))
		w.pass(5000)
		if len(w.open) != 0 {
			t.Fatal("the call does not end")
		}
	})
}

package target

import (
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"odradek/bench/measure"
	"odradek/core/record"
)

// Fake is a broker that does nothing but answer: the null target that the generator itself is measured against, and the one that stalls or delays where a test
// wants to see that in the figures. It keeps batches only if asked to.
type Fake struct {
	listener net.Listener
	port     int32
	keep     bool
	echo     bool
	delay    time.Duration
	stalled  atomic.Int64 // until then nothing is handled, on the monotonic clock
	records  atomic.Int64 // bytes of batches that came
	stop     chan struct{}

	mu   sync.Mutex
	cond *sync.Cond
	logs map[string]*fakeLog // by topic/partition
}

type fakeLog struct {
	batches [][]byte
	end     int64
}

// FakeOptions say what a Fake does besides answering.
type FakeOptions struct {
	Keep  bool          // hold batches, so that they can be fetched
	Echo  bool          // answer a Produce with the time on the monotonic clock as its base offset
	Delay time.Duration // handle each Produce so long after it came
}

// NewFake listens on a free port of this machine.
func NewFake(o FakeOptions) (*Fake, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := &Fake{listener: l, port: int32(l.Addr().(*net.TCPAddr).Port), keep: o.Keep, echo: o.Echo, delay: o.Delay,
		stop: make(chan struct{}), logs: map[string]*fakeLog{}}
	f.cond = sync.NewCond(&f.mu)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.serve(c)
		}
	}()
	return f, nil
}

// Address is where it listens.
func (f *Fake) Address() string { return f.listener.Addr().String() }

// Stall stops it for so long from now on, as a paused process would be.
func (f *Fake) Stall(d time.Duration) { f.stalled.Store(measure.Now() + int64(d)) }

// Received is the number of bytes of batches that came.
func (f *Fake) Received() int64 { return f.records.Load() }

// Close ends it.
func (f *Fake) Close() {
	close(f.stop)
	f.listener.Close()
	f.mu.Lock()
	f.cond.Broadcast()
	f.mu.Unlock()
}

// arrived is a request with the time it came.
type arrived struct {
	frame []byte
	at    int64
}

// serve answers the requests of one connection in order. With a delay a second goroutine does, so that later requests are read meanwhile.
func (f *Fake) serve(c net.Conn) {
	defer c.Close()
	if f.delay == 0 {
		var buf []byte
		for {
			var err error
			if buf, err = readFrame(c, buf); err != nil || f.handle(c, arrived{buf, measure.Now()}) != nil {
				return
			}
		}
	}
	const queued = 4096
	queue := make(chan arrived, queued)
	defer close(queue)
	go func() {
		for a := range queue {
			if f.handle(c, a) != nil {
				c.Close()
				break
			}
		}
		for range queue { // the reader must be able to end
		}
	}()
	for {
		frame, err := readFrame(c, nil)
		if err != nil {
			return
		}
		queue <- arrived{frame, measure.Now()}
	}
}

const frameMax = 16 << 20

func readFrame(c net.Conn, buf []byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return buf, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n < 8 || n > frameMax {
		return buf, io.ErrUnexpectedEOF
	}
	if n > cap(buf) {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err := io.ReadFull(c, buf)
	return buf, err
}

// handle answers one request.
func (f *Fake) handle(c net.Conn, a arrived) error {
	key, version := int16(binary.BigEndian.Uint16(a.frame)), int16(binary.BigEndian.Uint16(a.frame[2:]))
	correlation := a.frame[4:8]
	until := f.stalled.Load()
	if key == 0 {
		until = max(until, a.at+int64(f.delay))
	}
	if wait := until - measure.Now(); wait > 0 {
		time.Sleep(time.Duration(wait))
	}
	req := kmsg.RequestForKey(key)
	if req == nil {
		return io.ErrUnexpectedEOF
	}
	req.SetVersion(version)
	at := 8
	if n := int16(binary.BigEndian.Uint16(a.frame[8:])); n >= 0 {
		at += int(n)
	}
	at += 2
	if err := req.ReadFrom(a.frame[at:]); err != nil {
		return err
	}
	resp := f.answer(req)
	if resp == nil {
		return nil // acks=0
	}
	out := append(make([]byte, 4, 256), correlation...)
	out = resp.AppendTo(out)
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	_, err := c.Write(out)
	return err
}

// answer makes the response to what a benchmark asks.
func (f *Fake) answer(req kmsg.Request) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		return f.produce(req)
	case *kmsg.FetchRequest:
		return f.fetch(req)
	case *kmsg.MetadataRequest:
		return f.metadata(req)
	}
	return req.ResponseKind() // topics are neither made nor deleted here, and that always succeeds
}

func (f *Fake) produce(req *kmsg.ProduceRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = t.Topic
		for _, p := range t.Partitions {
			f.records.Add(int64(len(p.Records)))
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition = p.Partition
			if f.keep {
				rp.BaseOffset = f.hold(t.Topic, p.Partition, p.Records)
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	if req.Acks == 0 {
		return nil
	}
	if f.echo {
		resp.Topics[0].Partitions[0].BaseOffset = measure.Now()
	}
	return resp
}

// hold keeps a batch and gives it its offset.
func (f *Fake) hold(topic string, partition int32, batch []byte) int64 {
	b, err := record.ParseHeader(batch)
	if err != nil || b.Data == nil {
		return -1
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.log(topic, partition)
	own := append([]byte(nil), batch...)
	base := l.end
	binary.BigEndian.PutUint64(own, uint64(base))
	l.batches, l.end = append(l.batches, own), base+int64(b.Count)
	f.cond.Broadcast()
	return base
}

func (f *Fake) log(topic string, partition int32) *fakeLog {
	name := topic + "/" + strconv.Itoa(int(partition))
	l := f.logs[name]
	if l == nil {
		l = new(fakeLog)
		f.logs[name] = l
	}
	return l
}

// fetch answers with every batch from the offset on, up to a bound, waiting for the first.
func (f *Fake) fetch(req *kmsg.FetchRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	deadline := time.Now().Add(time.Duration(req.MaxWaitMillis) * time.Millisecond)
	timer := time.AfterFunc(time.Until(deadline), f.cond.Broadcast)
	defer timer.Stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		found := false
		resp.Topics = resp.Topics[:0]
		for _, t := range req.Topics {
			rt := kmsg.NewFetchResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewFetchResponseTopicPartition()
				rp.Partition, rp.RecordBatches = p.Partition, f.log(t.Topic, p.Partition).from(p.FetchOffset, int(p.PartitionMaxBytes))
				found = found || len(rp.RecordBatches) > 0
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		select {
		case <-f.stop:
			return resp
		default:
		}
		if found || !time.Now().Before(deadline) {
			return resp
		}
		f.cond.Wait()
	}
}

func (l *fakeLog) from(offset int64, most int) (out []byte) {
	if offset >= l.end {
		return nil
	}
	i := len(l.batches)
	for i > 0 && int64(binary.BigEndian.Uint64(l.batches[i-1])) >= offset {
		i--
	}
	for ; i < len(l.batches) && len(out) < most; i++ {
		out = append(out, l.batches[i]...)
	}
	return out
}

func (f *Fake) metadata(req *kmsg.MetadataRequest) kmsg.Response {
	const partitions = 64
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	b := kmsg.NewMetadataResponseBroker()
	b.NodeID, b.Host, b.Port = 1, "127.0.0.1", f.port
	resp.Brokers = append(resp.Brokers, b)
	for _, t := range req.Topics {
		rt := kmsg.NewMetadataResponseTopic()
		rt.Topic = t.Topic
		for i := range int32(partitions) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader = i, 1
			rt.Partitions = append(rt.Partitions, p)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

//go:build cgo

package histories

import (
	"context"
	"fmt"
	"time"

	"odradek/clientlib"
	"odradek/clientlib/proto"
	"odradek/linearizability"
)

// Ours are a producer and a consumer of our own client.
func Ours() (producer, consumer Client) { return ourProducer(6), ourConsumer(14) }

func ourProducer(process int) Client {
	return func(ctx context.Context, bootstrap string, r *Recorder) error {
		c, err := clientlib.New(clientlib.Config{Bootstrap: bootstrap})
		if err != nil {
			return err
		}
		defer c.Close()
		p, err := c.Producer(proto.ProducerConfig{Linger: 2 * int64(time.Millisecond)})
		if err != nil {
			return err
		}
		r.promise(process, linearizability.ExactlyOnce)
		under := make(slots, window)
		for under.take(ctx, r.pace()) {
			op := r.begin(process, r.pick(), -1)
			err := p.Send(context.Background(), &clientlib.Record{Topic: r.Topic, Partition: op.Partition, Value: encode(op)}, func(s clientlib.Sent, err error) {
				r.sent(op, s.Offset, err)
				<-under
			})
			if err != nil {
				return fmt.Errorf("our client, process %d: %w", process, err)
			}
		}
		flush, cancel := context.WithTimeout(context.Background(), r.Drain)
		defer cancel()
		return p.Flush(flush)
	}
}

func ourConsumer(process int) Client {
	return func(ctx context.Context, bootstrap string, r *Recorder) error {
		c, err := clientlib.New(clientlib.Config{Bootstrap: bootstrap})
		if err != nil {
			return err
		}
		defer c.Close()
		k, err := c.Consumer(proto.ConsumerConfig{MaxWait: 100 * int64(time.Millisecond)})
		if err != nil {
			return err
		}
		for i := range r.Partitions {
			k.Assign(r.Topic, i, proto.At(0))
		}
		d := r.reader(process)
		for ctx.Err() == nil {
			call := r.now()
			f, err := k.PollPartition(ctx)
			if ctx.Err() != nil {
				break
			}
			if err != nil {
				return fmt.Errorf("our client, process %d: %w", process, err)
			}
			if f.Moved != nil {
				return fmt.Errorf("our client, process %d: partition %d: moved from offset %d to %d", process, f.Partition, f.Moved.From, f.Moved.To)
			}
			for _, m := range f.Records {
				if err := d.got(m.Partition, m.Offset, m.Value, call); err != nil {
					return err
				}
			}
			d.end()
		}
		return nil
	}
}

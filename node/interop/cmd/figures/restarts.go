package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// What restarts are measured with: so many partitions, and so many bytes in batches of 64 records.
const (
	restartPartitions = 1000
	restartBytes      = 5 << 30
	restartAgain      = 1 << 30 // before each further kill
	restartConns      = 8
)

// restarts times clean restarts of a node with many partitions, and restarts after kill -9 with a lot written to them.
func (f *figures) restarts(reps int) error {
	for _, mode := range []struct {
		name string
		set  []string
	}{{"durable", nil}, {"relaxed", relaxedSet}} {
		n, err := newNode(f.dir, mode.set...)
		if err != nil {
			return err
		}
		err = f.restartsOf(n, mode.name, reps)
		n.remove()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, n.log.String())
		}
	}
	return nil
}

func (f *figures) restartsOf(n *node, mode string, reps int) error {
	if err := n.start(f.binary); err != nil {
		return err
	}
	if err := createTopic(n, "many", restartPartitions); err != nil {
		return err
	}
	if err := fill(n, restartPartitions*restartPartitions); err != nil { // a batch or more for each
		return err
	}
	for range reps {
		begun := time.Now()
		if err := n.stop(); err != nil {
			return err
		}
		f.add(mode+", clean stop of 1000 partitions: ms", micros(time.Since(begun))/1000)
		took, err := firstAck(n, f.binary, "many", false)
		if err != nil {
			return err
		}
		f.add(mode+", clean restart of 1000 partitions to the first acknowledgement: ms", micros(took)/1000)
	}
	for i := range reps {
		bytes := int64(restartAgain)
		name := mode + ", restart after 1 GB more and kill -9"
		if i == 0 {
			bytes, name = restartBytes, mode+", restart after 5 GB and kill -9"
		}
		if err := fill(n, bytes); err != nil {
			return err
		}
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
		took, err := firstAck(n, f.binary, "many", false)
		if err != nil {
			return err
		}
		f.add(name+", to the first acknowledgement: ms", micros(took)/1000)
	}
	return n.stop()
}

// fill writes so many bytes of records, spread over all partitions.
func fill(n *node, bytes int64) error {
	batch := makeBatch(64)
	var next, left atomic.Int64
	left.Store(bytes)
	errs := make([]error, restartConns)
	var wg sync.WaitGroup
	for i := range restartConns {
		wg.Go(func() {
			c, err := dial(n.address)
			if err != nil {
				errs[i] = err
				return
			}
			defer c.Close()
			for left.Add(-int64(len(batch))) > -int64(len(batch)) && errs[i] == nil {
				if _, errs[i] = c.Write(produceFrame("many", int32(next.Add(1)%restartPartitions), batch)); errs[i] == nil {
					errs[i] = c.produced("many")
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

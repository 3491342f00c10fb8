package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"odradek/bench/measure"
)

// serveWord makes this program NATS' server, in a process of its own, so that its CPU time is not the generator's.
const serveWord = "serve-jetstream"

// serve runs a server with JetStream until its standard input ends.
func serve(dir string, always bool) error {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: dir, SyncAlways: always, NoSigs: true, NoLog: true})
	if err != nil {
		return err
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		return errors.New("the server is not ready")
	}
	fmt.Println(s.ClientURL())
	_, err = io.Copy(io.Discard, os.Stdin)
	s.Shutdown()
	s.WaitForShutdown()
	return err
}

// connections is how many publishers there are.
const connections = 64

// measured is what a run gave.
type measured struct {
	messages int64
	seconds  float64
	used     measure.Usage
}

// theirs starts a server on an empty directory and measures it.
func theirs(always bool, do func(ctx context.Context, o *options, url string, usage func() (measure.Usage, error)) (measured, error)) side {
	return func(ctx context.Context, o *options, dir string) (rate, cpu float64, err error) {
		self, err := os.Executable()
		if err != nil {
			return 0, 0, err
		}
		cmd := exec.CommandContext(ctx, self, serveWord, dir, map[bool]string{true: "always", false: "default"}[always])
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		in, err1 := cmd.StdinPipe()
		out, err2 := cmd.StdoutPipe()
		if err := errors.Join(err1, err2, cmd.Start()); err != nil {
			return 0, 0, err
		}
		defer func() { err = errors.Join(err, in.Close(), cmd.Wait()) }()
		url, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			return 0, 0, fmt.Errorf("the server: %w", err)
		}
		m, err := do(ctx, o, strings.TrimSpace(url), func() (measure.Usage, error) { return measure.ProcessUsage(cmd.Process.Pid) })
		return float64(m.messages) / m.seconds, m.used.CPU.Seconds() / float64(m.messages), err
	}
}

// open connects and makes the stream.
func open(ctx context.Context, url string) (*nats.Conn, jetstream.JetStream, error) {
	nc, err := nats.Connect(url)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(500))
	if err == nil {
		_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: topic, Subjects: []string{topic}, Storage: jetstream.FileStorage})
	}
	if err != nil {
		nc.Close()
	}
	return nc, js, err
}

// publishJetStream has 64 connections publish and wait, each by itself.
func publishJetStream(ctx context.Context, o *options, url string, usage func() (measure.Usage, error)) (measured, error) {
	value := make([]byte, 1000)
	var count atomic.Int64
	var end atomic.Bool
	errs := make([]error, connections)
	var wg sync.WaitGroup
	for i := range connections {
		nc, js, err := open(ctx, url)
		if err != nil {
			return measured{}, err
		}
		defer nc.Close()
		wg.Go(func() {
			for !end.Load() && errs[i] == nil {
				if _, errs[i] = js.Publish(ctx, topic, value); errs[i] == nil {
					count.Add(1)
				}
			}
		})
	}
	m, err := between(o, &count, usage)
	end.Store(true)
	wg.Wait()
	return m, errors.Join(append(errs, err)...)
}

// between counts what happens in the measured time.
func between(o *options, count *atomic.Int64, usage func() (measure.Usage, error)) (measured, error) {
	time.Sleep(warmup)
	before, err := usage()
	from, begun := count.Load(), time.Now()
	time.Sleep(o.length)
	m := measured{messages: count.Load() - from, seconds: time.Since(begun).Seconds()}
	after, err2 := usage()
	m.used = after.Sub(before)
	return m, errors.Join(err, err2)
}

// streamJetStream has one connection publish with 500 messages under way.
func streamJetStream(ctx context.Context, o *options, url string, usage func() (measure.Usage, error)) (measured, error) {
	nc, js, err := open(ctx, url)
	if err != nil {
		return measured{}, err
	}
	defer nc.Close()
	value := make([]byte, 128)
	var count atomic.Int64
	var end atomic.Bool
	done := make(chan error, 1)
	go func() { done <- publishAll(js, value, &count, end.Load) }()
	m, err := between(o, &count, usage)
	end.Store(true)
	return m, errors.Join(err, <-done)
}

// publishAll publishes until it shall end, and counts what is acknowledged: each message takes the place of one whose acknowledgement has come.
func publishAll(js jetstream.JetStream, value []byte, count *atomic.Int64, end func() bool) error {
	var pending []jetstream.PubAckFuture
	take := func() error {
		f := pending[0]
		pending = pending[1:]
		select {
		case <-f.Ok():
			count.Add(1)
			return nil
		case err := <-f.Err():
			return err
		}
	}
	for !end() {
		if len(pending) >= 450 {
			if err := take(); err != nil {
				return err
			}
		}
		f, err := js.PublishAsync(topic, value)
		if err != nil {
			return err
		}
		pending = append(pending, f)
	}
	for len(pending) > 0 {
		if err := take(); err != nil {
			return err
		}
	}
	return nil
}

// replayJetStream fills a stream and reads it with an ordered consumer.
func replayJetStream(ctx context.Context, o *options, url string, usage func() (measure.Usage, error)) (measured, error) {
	nc, js, err := open(ctx, url)
	if err != nil {
		return measured{}, err
	}
	defer nc.Close()
	var filled atomic.Int64
	want := o.bytes / 1000
	if err := publishAll(js, make([]byte, 1000), &filled, func() bool { return filled.Load() >= want }); err != nil {
		return measured{}, err
	}
	total := filled.Load()
	before, err := usage()
	if err != nil {
		return measured{}, err
	}
	c, err := js.OrderedConsumer(ctx, topic, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return measured{}, err
	}
	begun := time.Now()
	seen := int64(0)
	all := make(chan struct{})
	reading, err := c.Consume(func(jetstream.Msg) {
		if seen++; seen == total {
			close(all)
		}
	}, jetstream.PullMaxMessages(10_000))
	if err != nil {
		return measured{}, err
	}
	defer reading.Stop()
	select {
	case <-all:
	case <-ctx.Done():
		return measured{}, ctx.Err()
	case <-time.After(5 * time.Minute):
		return measured{}, fmt.Errorf("not all of %d messages came", total)
	}
	seconds := time.Since(begun).Seconds()
	after, err := usage()
	return measured{total, seconds, after.Sub(before)}, err
}

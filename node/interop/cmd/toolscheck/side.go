package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"odradek/node/interop/brokers"
)

const (
	// barrier is a topic whose settings show how far a broker has carried out what it has answered: Kafka's controller answers before its broker has.
	barrier     = "barrier"
	barrierTime = 20 * time.Second
	// commandTime bounds one command.
	commandTime = 90 * time.Second
)

// side is one broker and the process that runs the tools against it.
type side struct {
	broker  *brokers.Broker
	dir     string
	client  *kadm.Client
	tools   *exec.Cmd
	in      io.WriteCloser
	out     io.ReadCloser
	mark    int // of the barrier
	masking []string
}

// output is what a command left.
type output struct {
	status      int
	out, err    string // as printed
	lines, said []string
}

// compile compiles JavaTools, and returns the class path with it.
func compile(classpath, dir string) (string, error) {
	out, err := exec.Command("javac", "-nowarn", "-cp", classpath, "-d", dir, "clients/JavaTools.java").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("javac: %w\n%s", err, out)
	}
	return dir + ":" + classpath, nil
}

func newSide(b *brokers.Broker, classpath, dir string) (*side, error) {
	s := &side{broker: b, dir: dir, tools: brokers.Java(classpath, "JavaTools")}
	s.tools.Stderr = os.Stderr
	var err error
	if s.in, err = s.tools.StdinPipe(); err != nil {
		return nil, err
	}
	if s.out, err = s.tools.StdoutPipe(); err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Address))
	if err != nil {
		return nil, err
	}
	s.client = kadm.NewClient(client)
	ctx, cancel := context.WithTimeout(context.Background(), barrierTime)
	defer cancel()
	meta, err := s.client.BrokerMetadata(ctx)
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(b.Address, ":")
	s.masking = []string{b.Address, "BROKER", host + " " + port + strings.Repeat(" ", 5-len(port)), "BROKER", filepath.Join(dir, "data"), "DATA", dir, "DIR", meta.Cluster, "CLUSTER"}
	if _, err := s.client.CreateTopic(ctx, 1, 1, nil, barrier); err != nil {
		return nil, err
	}
	return s, s.tools.Start()
}

func (s *side) end() {
	s.client.Close()
	_ = s.in.Close() // the process ends at the end of its input
	_ = s.tools.Wait()
}

// both runs a command on both sides at the same time.
func both(sides [2]*side, c *command) (results [2]output, err error) {
	var failed [2]error
	done := make(chan struct{})
	for i, s := range sides {
		go func() {
			results[i], failed[i] = s.run(c)
			done <- struct{}{}
		}()
	}
	for range sides {
		<-done
	}
	for i, s := range sides {
		if failed[i] != nil {
			return results, fmt.Errorf("%s: %w", s.broker.Name, failed[i])
		}
	}
	return results, nil
}

// run runs one command, and waits until what it changed is to be seen.
func (s *side) run(c *command) (o output, err error) {
	timer := time.AfterFunc(commandTime, func() { _ = s.tools.Process.Kill() })
	defer timer.Stop()
	request := text(nil, c.tool)
	request = binary.BigEndian.AppendUint32(request, uint32(len(c.args)))
	for i, a := range c.args {
		if content, ok := strings.CutPrefix(a, "file:"); ok {
			a = filepath.Join(s.dir, fmt.Sprintf("file-%d-%d", c.line, i))
			if err := os.WriteFile(a, []byte(strings.ReplaceAll(content, `\n`, "\n")), 0o644); err != nil {
				return o, err
			}
		}
		request = text(request, strings.ReplaceAll(a, "BROKER", s.broker.Address))
	}
	if _, err := s.in.Write(text(request, c.input)); err != nil {
		return o, err
	}
	var status int32
	if err := binary.Read(s.out, binary.BigEndian, &status); err != nil {
		return o, fmt.Errorf("the tool gave no answer in %v: %w", commandTime, err)
	}
	o.status = int(status)
	for _, into := range []*string{&o.out, &o.err} {
		var length uint32
		if err := binary.Read(s.out, binary.BigEndian, &length); err != nil {
			return o, err
		}
		all := make([]byte, length)
		if _, err := io.ReadFull(s.out, all); err != nil {
			return o, err
		}
		*into = string(all)
	}
	o.lines, o.said = s.mask(o.out), spoken(s.mask(o.err))
	if c.changes() {
		err = s.settle()
	}
	return o, err
}

// text appends a string as Java's readUTF takes it; all is ASCII.
func text(to []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(to, uint16(len(s))), s...)
}

// settle waits until the broker has carried out all that its controller has answered: two settings made one after the other, each seen. When the second is seen,
// the first, and everything before it, is done.
func (s *side) settle() error {
	ctx, cancel := context.WithTimeout(context.Background(), barrierTime)
	defer cancel()
	for range 2 {
		s.mark++
		value := fmt.Sprint(1_000_000 + s.mark)
		altered, err := s.client.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, barrier)
		if err != nil {
			return err
		}
		if err := altered[0].Err; err != nil {
			return fmt.Errorf("the barrier cannot be set: %w", err)
		}
		for seen := ""; seen != value; time.Sleep(2 * time.Millisecond) {
			described, err := s.client.DescribeTopicConfigs(ctx, barrier)
			if err != nil {
				return fmt.Errorf("waiting for the barrier: %w", err)
			}
			for _, config := range described[0].Configs {
				if config.Key == "retention.ms" {
					seen = config.MaybeValue()
				}
			}
		}
	}
	return nil
}

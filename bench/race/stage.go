package race

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"odradek/bench/kafka"
	"odradek/bench/target"
)

// stage is what a measurement begins with: brokers that are going and warm, and a topic that was made for it.
type stage struct {
	broker    target.Target
	addresses []string
	topic     string
	leaders   []string // by partition
}

// staged makes a topic on an entrant's brokers, has something measured with it, and removes it.
func (a *Arena) staged(ctx context.Context, c *Cell, e Entrant, partitions int, configs map[string]string, measured func(*stage) (Values, error)) (_ Values, err error) {
	s := &stage{topic: fmt.Sprintf("race-%d-%d", os.Getpid(), time.Now().UnixNano())}
	if s.broker, err = a.on(ctx, e.Side, c.Nodes); err != nil {
		return nil, err
	}
	if s.addresses, err = s.broker.Bootstrap(ctx); err != nil {
		return nil, err
	}
	admin, err := kafka.DialAny(s.addresses)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", target.ErrUnreachable, err)
	}
	defer func() { err = errors.Join(err, admin.Close()) }()
	all := e.Configs()
	maps.Copy(all, configs)
	if err = admin.CreateTopic(s.topic, partitions, 1, all); err != nil {
		return nil, err
	}
	defer func() {
		err = errors.Join(err, admin.DeleteTopic(s.topic))
		a.settle(s.broker)
	}()
	if s.leaders, err = admin.Leaders(s.topic, partitions); err != nil {
		return nil, err
	}
	return measured(s)
}

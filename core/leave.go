package core

// leaveMs bounds how long a stop waits until others lead what this broker led, and leaveSilentMs how long it waits for a controller that says nothing: when all nodes stop
// at once there is none in the end.
const (
	leaveMs       = 5000
	leaveSilentMs = 2000
)

// onLeave has other brokers lead what this one leads, while it still serves them and its clients.
func (c *Core) onLeave() {
	if c.stop != serving || c.life.gone {
		return
	}
	if !c.leave() {
		c.left()
	}
}

// leave begins a controlled shutdown, where there is anybody who could lead in this broker's place. false: there is not.
func (c *Core) leave() bool {
	if c.life.leaving {
		return true
	}
	others := false
	for b := range c.meta.committed.Brokers() {
		others = others || b.ID != c.self && !b.Fenced
	}
	if b, ok := c.meta.committed.Broker(c.self); c.life.gone || c.meta.stage != stageReady || !c.cfg.Broker || !others || !ok || b.Fenced {
		return false
	}
	l := &c.life
	l.leaving, l.leftBy, l.heard = true, c.nowMs()+leaveMs, c.nowMs()
	c.after(timerKey{timerLeave, 0}, leaveSilentMs)
	c.live()
	return true
}

// leaveDue ends the wait when it has been long enough, or in vain.
func (c *Core) leaveDue() {
	l := &c.life
	if until := min(l.leftBy, l.heard+leaveSilentMs); c.nowMs() < until {
		c.after(timerKey{timerLeave, 0}, until-c.nowMs())
		return
	}
	c.left()
}

// left says so, and goes on with a Stop. Nothing is heard of this broker any more: who is fenced stays so.
func (c *Core) left() {
	l := &c.life
	l.leaving, l.gone = false, true
	c.timers.Cancel(timerKey{timerLeave, 0})
	c.timers.Cancel(timerKey{timerLife, 0})
	c.note(NoteLeft)
	if l.stopping {
		c.beginStop()
	}
}

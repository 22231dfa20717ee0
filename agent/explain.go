package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/skerry-edge/skerry/agent/api"
	"github.com/skerry-edge/skerry/agent/config"
	"github.com/skerry-edge/skerry/sensors/mqtt"
	"github.com/skerry-edge/skerry/store"
)

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

// Unwrap returns the error itself.
func (h *hinted) Unwrap() error { return h.error }

// Hint says what to do.
func (h *hinted) Hint() string { return h.hint }

// explain adds a hint to errors that people meet.
func explain(err error) error {
	switch {
	case errors.Is(err, store.ErrLocked):
		return &hinted{err, "stop that process, or ask the running agent: leave --dir out, or give its --socket"}
	case errors.Is(err, store.ErrNewerFormat):
		return &hinted{err, "use the newer skerry; going back is not possible"}
	case errors.Is(err, fs.ErrPermission):
		return &hinted{err, "run as the user that owns the folder"}
	}
	return err
}

// startError says of what keeps a gateway from starting where the configuration has it, and what to do. key is the part's, where the
// error does not say it better.
func startError(err error, cfg *config.Config, key string) error {
	value := ""
	switch key {
	case "gateway.data_dir":
		value = cfg.Gateway.DataDir
	case "gateway.identity_file":
		value = cfg.Gateway.IdentityFile
	case "api.socket":
		value = cfg.API.Socket
	}
	hint := ""
	if said, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		hint = said.Hint()
	}
	if file, ok := errors.AsType[*mqtt.FileError](err); ok {
		key, value = "mqtt.broker."+file.Key, file.Path
	}
	if door, ok := errors.AsType[*api.DoorError](err); ok {
		key, value = "api."+door.Key, door.Value
	}
	if listen, ok := errors.AsType[*mqtt.ListenError](err); ok {
		key, value = "mqtt.broker.listen", listen.Addr
		if listen.Addr == cfg.MQTT.Broker.TLSListen {
			key = "mqtt.broker.tls_listen"
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) && key != "api.socket" {
		hint, err = portTaken(err, key, value)
	} else if better := fileHint(err, key, value); better != "" && hint == "" {
		hint = better
	}
	err = fmt.Errorf("%s: %s: %w", cfg.Where(key), key, err)
	if hint == "" {
		return err
	}
	return &hinted{err, hint}
}

// portTaken names who has the port.
func portTaken(err error, key, address string) (hint string, explained error) {
	who := portHolder(address)
	explained = fmt.Errorf("%w: the port is taken by %s", err, who)
	if who.pid == 0 {
		explained = fmt.Errorf("%w: the port is taken by a program of another user", err)
	}
	hint = "stop it, or choose another port in " + key
	if key == "mqtt.broker.listen" || key == "mqtt.broker.tls_listen" {
		hint = "stop it, choose another port in " + key + `, or, if it is a broker, make it the source's: broker = "tcp://…" in [[source.mqtt]]`
	}
	if who.pid == 0 {
		hint += "; who it is says: sudo ss -ltnp"
	}
	return hint, explained
}

// fileHint says what to do about a file or an address that cannot be taken; "" = nothing is known.
func fileHint(err error, key, path string) string {
	folder := filepath.Dir(path)
	if key == "gateway.data_dir" {
		folder = path
	}
	switch {
	case errors.Is(err, store.ErrLocked):
		return "stop that process, or give this gateway another " + key + ": one store has one agent"
	case errors.Is(err, store.ErrNewerFormat):
		return "use the newer skerry; going back is not possible"
	case errors.Is(err, syscall.EROFS):
		return fmt.Sprintf("the file system is mounted read-only: mount it writable (mount -o remount,rw …; dmesg says whether it failed), or let %s name another place", key)
	case errors.Is(err, syscall.ENOSPC):
		return "no space is left on the disk of " + folder + ": free some, see df -h and df -i"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("this agent runs as %s, who must own it: sudo chown -R %s %s; or run it as the owner", ownUser(), ownUser(), path)
	case errors.Is(err, syscall.ENOTDIR):
		return "something that is no folder is in the way: let " + key + " name another place"
	case errors.Is(err, fs.ErrNotExist) && key == "gateway.identity_file":
		return "put the key back from a backup; a new gateway is made with: skerry init --dir DIR"
	case errors.Is(err, fs.ErrNotExist):
		return "make the folder: mkdir -p " + folder + "; or let " + key + " name another place"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "this machine does not have that address: see ip addr; 0.0.0.0 is all that it has"
	}
	return ""
}

// ownUser returns the name of the user that runs this process, else its number.
func ownUser() string {
	number := strconv.Itoa(os.Geteuid())
	if who, err := user.LookupId(number); err == nil {
		return who.Username
	}
	return number
}

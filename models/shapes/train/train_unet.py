"""Trains the UNet and its text encoder on latents of clips, in several one-thread processes.

Motion is the hard part: where a shape is follows from word, frame and place together, and none of
the three alone says anything, so gradients are flat at the start. Three things lead in:
- an attribute loss: the text encoder's end and padding features, which the UNet attends to, must
  tell colour, shape, motion and background to a linear head that is thrown away afterwards;
- phases: single first frames (word -> place), then few frames over a growing span of the clip,
  then all frames;
- timesteps and weights that lean to the noisy end, where the layout is decided.
"""
import json
import os
import random
import time

import torch
import torch.multiprocessing as multiprocessing
import torch.nn.functional as F

import config
import folder
import shapes
import spec
import train_vae
from model import Tokenizer, byte_alphabet, merge_pair
from optimise import Average, initial, rate

DEFAULT_PHASES = '.1:1:32:0:0,.2:4:8:.15:1,.3:8:4:1:1,.4:16:2:1:1'
PHASES_HELP = ('share of the time : frames : clips a worker and step : span of the clip at the '
               'start : span at the end; comma-separated')
PEAK_RATE = 8e-4
TEXT_RATE = 2           # times the peak, for the text encoder and what attends to it
POOL_START, POOL_LIMIT = 400, 6000
EMPTY_PROMPTS = .1
NOISY_SHARE, NOISY_RANGE = .6, (450, 950)
LOWEST_SIGNAL = 1 / 40  # caps the weight of noisy steps
HIGHEST_RATIO = 5       # of signal to noise, above which the weight falls
ATTRIBUTE_WEIGHT = .1
REPORT_EVERY, SAVE_EVERY = 50, 200


# ---------------------------------------------------------------- words

def word_counts():
    """How often each word comes in sampled captions."""
    source, counts = random.Random(7), {}
    for _ in range(400):
        text = shapes.caption(source, *shapes.random_scene(source, shapes.TRIPLES))
        for word in text.replace(',', ' , ').split():
            counts[word] = counts.get(word, 0) + 1
    return counts


def split_letters(word):
    """A word as byte letters, the last one marked as the end."""
    alphabet = dict(byte_alphabet())
    parts = [alphabet[byte] for byte in word.encode()]
    return parts[:-1] + [parts[-1] + '</w>']


def most_frequent_pair(words):
    """The neighbouring parts that occur most often, or None when all words are whole."""
    counts = {}
    for parts, count in words:
        for pair in zip(parts, parts[1:]):
            counts[pair] = counts.get(pair, 0) + count
    return max(sorted(counts), key=counts.get) if counts else None


def learn_merges():
    """Greedy byte-pair merges until every word is one token."""
    words = [(split_letters(word), count) for word, count in sorted(word_counts().items())]
    merges = []
    while pair := most_frequent_pair(words):
        merges.append(pair)
        words = [(merge_pair(parts, pair), count) for parts, count in words]
    return merges


# ---------------------------------------------------------------- weights

def fresh_unet(generator):
    table = spec.unet_shapes(config.UNET_WIDTHS, config.UNET_LAYERS, config.TEXT_WIDTH,
                             config.HEAD_WIDTH, config.LATENT_CHANNELS, config.INPUT_HEADS)
    zero = ('conv4.3', 'conv_out', 'proj_out')
    small = ('conv2.weight', 'to_out', 'ff.net.2')
    return {name: initial(name, shape, generator, zero, small) for name, shape in table.items()}


def fresh_text_encoder(generator, vocabulary):
    table = spec.text_encoder_shapes(config.TEXT_WIDTH, config.TEXT_LAYERS, config.TEXT_HIDDEN,
                                     vocabulary)
    tensors = {name: initial(name, shape, generator) for name, shape in table.items()}
    for part, size in (('token', .5), ('position', .1)):
        name = f'text_model.embeddings.{part}_embedding.weight'
        tensors[name] = torch.randn(table[name], generator=generator) * size
    return tensors


def fresh_model(state):
    """A new UNet and text encoder beside the VAE of the state folder."""
    generator = torch.Generator().manual_seed(2)
    vae = torch.load(os.path.join(state, 'vae.pt'))
    merges = learn_merges()
    vocabulary = len(Tokenizer(merges).vocabulary)
    scale = train_vae.latent_scale(folder.make_vae(vae))
    return folder.Model(fresh_unet(generator), fresh_text_encoder(generator, vocabulary), vae,
                        merges, scale)


def trainable(model):
    """Parameters by name, as in unet.pt: `u.` UNet, `k.` text encoder."""
    named = {'u.' + name: tensor for name, tensor in model.unet_tensors.items()}
    named.update({'k.' + name: tensor for name, tensor in model.text_tensors.items()})
    for tensor in named.values():
        tensor.requires_grad_()
    return named


# ---------------------------------------------------------------- data

class Pool:
    """Encoded clips of random scenes; a little is encoded anew at every step."""

    def __init__(self, vae, source):
        self.vae, self.source = vae, source
        self.scenes, self.latents = [], []
        while len(self.scenes) < POOL_START:
            self.add()

    @torch.no_grad()
    def add(self):
        """Encodes one clip; it takes a random one's place when the pool is full."""
        scene = shapes.random_scene(self.source)
        frames = torch.from_numpy(shapes.clip(self.source, *scene))
        latents = train_vae.latent_mean(self.vae, frames).half()
        if len(self.scenes) < POOL_LIMIT:
            self.scenes.append(scene)
            self.latents.append(latents)
        else:
            place = self.source.randrange(POOL_LIMIT)
            self.scenes[place], self.latents[place] = scene, latents

    def batch(self, phase, span, scale):
        """Scenes and latents [B, 4, F, h, w]: phase.frames frames over the first span of clips."""
        places = self.source.choices(range(len(self.scenes)), k=phase.clips)
        frames = torch.linspace(0, span * (shapes.FRAMES - 1), phase.frames).round().long()
        mean = torch.stack([self.latents[place][frames] for place in places]).float()
        latents = train_vae.with_posterior_noise(mean) * scale
        return [self.scenes[place] for place in places], latents.transpose(1, 2)

    def captions(self, scenes):
        return ['' if self.source.random() < EMPTY_PROMPTS else shapes.caption(self.source, *scene)
                for scene in scenes]


class Phase:
    """A part of the training: its share of the time and what a step is made of."""

    def __init__(self, text):
        values = [float(value) for value in text.split(':')]
        self.share, self.first_span, self.last_span = values[0], *values[3:]
        self.frames, self.clips = int(values[1]), int(values[2])

    def span(self, progress):
        """How much of the clip the frames are spread over; progress within the phase, 0..1."""
        return self.first_span + (self.last_span - self.first_span) * progress


def find_phase(phases, progress):
    """The phase at progress (0..1 of all time), and the progress within it."""
    passed, total = 0, sum(phase.share for phase in phases)
    for phase in phases:
        share = phase.share / total
        if progress < passed + share:
            return phase, (progress - passed) / share
        passed += share
    return phases[-1], 1.


# ---------------------------------------------------------------- losses

def draw_timesteps(count):
    """Timesteps spread evenly over the range, a share of them over the noisy part only."""
    even = (torch.arange(count) + torch.rand(count)) / count
    low, high = NOISY_RANGE
    noisy = low + (high - low) * even
    drawn = torch.where(torch.rand(count) < NOISY_SHARE, noisy, config.TRAIN_STEPS * even)
    return drawn.long().clamp(max=config.TRAIN_STEPS - 1)


def noise_loss(model, alphas, latents, context):
    """Weighted square error of the predicted noise."""
    timesteps = draw_timesteps(len(latents))
    signal = alphas[timesteps]
    share = signal[:, None, None, None, None]
    noise = torch.randn_like(latents)
    noisy = share.sqrt() * latents + (1 - share).sqrt() * noise
    square = ((model.unet(noisy, timesteps, context) - noise) ** 2).mean((1, 2, 3, 4))
    ratio = signal / (1 - signal)
    weight = (HIGHEST_RATIO / ratio).clamp(max=1) / signal.clamp(min=LOWEST_SIGNAL)
    return (weight * square).mean()


class AttributeHead:
    """Reads the four attributes linearly from text features after the last word."""

    TABLES = (list(shapes.COLOURS), shapes.SHAPES, list(shapes.MOTIONS), list(shapes.BACKGROUNDS))
    PLACES = 4          # the end token and three random paddings
    IGNORED = -100

    def __init__(self, generator):
        sizes = [len(table) for table in self.TABLES]
        weight = torch.randn(sum(sizes), config.TEXT_WIDTH, generator=generator) * .05
        self.sizes = sizes
        self.weight = weight.requires_grad_()
        self.bias = torch.zeros(sum(sizes)).requires_grad_()

    def parameters(self):
        return [self.weight, self.bias]

    def features(self, context, ids, end):
        """Features [B, PLACES, D] at the end token and at random places behind it."""
        ends = ids.eq(end).int().argmax(1, keepdim=True)
        behind = torch.randint(1, 60, (len(ids), self.PLACES - 1))
        places = torch.cat([ends, ends + behind], 1).clamp(max=ids.shape[1] - 1)
        return context.gather(1, places[:, :, None].expand(-1, -1, context.shape[-1]))

    def target(self, index, scene, caption):
        """The class of an attribute, unless the caption does not tell."""
        untold = index == 3 and 'background' not in caption
        return self.IGNORED if untold else self.TABLES[index].index(scene[index])

    def loss(self, context, ids, end, scenes, captions):
        told = [row for row, caption in enumerate(captions) if caption]
        features = self.features(context, ids, end)[told]
        scores = F.linear(features, self.weight, self.bias).split(self.sizes, -1)
        return sum((self.one_loss(index, scores[index], [(scenes[row], captions[row])
                                                         for row in told])
                    for index in range(len(self.TABLES))), torch.zeros(()))

    def one_loss(self, index, scores, told):
        targets = torch.tensor([self.target(index, *pair) for pair in told], dtype=torch.long)
        if not (targets >= 0).any():
            return torch.zeros(())
        repeated = targets.repeat_interleave(self.PLACES)
        return F.cross_entropy(scores.flatten(0, 1), repeated, ignore_index=self.IGNORED)


# ---------------------------------------------------------------- workers

class Shared:
    """What the worker processes share: gradients, the clock, and a barrier."""

    def __init__(self, workers, size):
        self.gradients = torch.zeros(workers, size).share_memory_()
        self.progress = torch.zeros(1, dtype=torch.float64).share_memory_()
        self.barrier = multiprocessing.get_context('spawn').Barrier(workers)


class Worker:
    """One process. All workers hold the same weights and take the same steps."""

    def __init__(self, rank, options, shared):
        self.rank, self.options, self.shared = rank, options, shared
        torch.set_num_threads(1)
        self.model = starting_model(options)
        self.named = trainable(self.model)
        self.head = AttributeHead(torch.Generator().manual_seed(9))
        self.parameters = list(self.named.values()) + self.head.parameters()
        self.average = Average(list(self.named.values()))
        self.optimiser = self.make_optimiser()
        self.phases = [Phase(text) for text in options.phases.split(',')]
        self.alphas = config.alphas_cumprod()
        torch.manual_seed(options.seed * 1000 + rank)
        self.pool = Pool(self.model.vae, random.Random(options.seed * 1000 + rank))

    def make_optimiser(self):
        """AdamW; the text encoder and the attention to it learn faster."""
        def is_text(name):
            return name.startswith('k.') or ('.attentions.' in name and 'attn2' in name)
        text = [value for name, value in self.named.items() if is_text(name)]
        rest = [value for name, value in self.named.items() if not is_text(name)]
        groups = [{'params': rest, 'factor': 1},
                  {'params': text + self.head.parameters(), 'factor': TEXT_RATE}]
        return torch.optim.AdamW(groups, weight_decay=1e-3, betas=(.9, .99), fused=True)

    def run(self):
        start, losses = time.time(), []
        while (progress := self.agree_on_progress(start)) < 1:
            losses.append(self.step(progress))
            if self.rank == 0:
                self.average.update()
                losses = self.report(progress, losses)
        if self.rank == 0:
            self.save()

    def agree_on_progress(self, start):
        """The first worker's clock, 0..1 of the training time."""
        if self.rank == 0:
            self.shared.progress[0] = (time.time() - start) / 60 / self.options.minutes
        self.shared.barrier.wait()
        return self.shared.progress.item()

    def step(self, progress):
        phase, within = find_phase(self.phases, progress)
        self.pool.add()
        loss = self.loss(phase, phase.span(within))
        self.optimiser.zero_grad()
        loss.backward()
        self.share_gradients()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.)
        for group in self.optimiser.param_groups:
            peak = self.options.rate or PEAK_RATE
            group['lr'] = group['factor'] * rate(peak, self.average.steps, progress)
        self.optimiser.step()
        return loss.item()

    def loss(self, phase, span):
        scenes, latents = self.pool.batch(phase, span, self.model.scale)
        captions = self.pool.captions(scenes)
        tokenizer = self.model.tokenizer
        ids = torch.tensor([tokenizer(caption) for caption in captions])
        context = self.model.text_encoder(ids)
        attributes = self.head.loss(context, ids, tokenizer.end, scenes, captions)
        return (noise_loss(self.model, self.alphas, latents, context)
                + ATTRIBUTE_WEIGHT * attributes)

    def share_gradients(self):
        """Replaces every gradient by its mean over the workers."""
        for parameter in self.parameters: # of the head there is none when all prompts are empty
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        own = [parameter.grad.flatten() for parameter in self.parameters]
        self.shared.gradients[self.rank] = torch.cat(own)
        self.shared.barrier.wait()
        parts = self.shared.gradients.mean(0).split([len(part) for part in own])
        for parameter, part in zip(self.parameters, parts):
            parameter.grad.copy_(part.view_as(parameter))

    def report(self, progress, losses):
        """Prints and saves now and then; returns the losses not yet printed."""
        if self.average.steps % SAVE_EVERY == 0:
            self.save()
        if len(losses) < REPORT_EVERY:
            return losses
        phase, _ = find_phase(self.phases, progress)
        print(f'step {self.average.steps}, {progress:.0%}, {phase.frames} frames: '
              f'loss {sum(losses) / len(losses):.4f}', flush=True)
        return []

    def save(self):
        """Writes the averaged weights as a state folder."""
        state = self.options.state
        save_tensors(dict(zip(self.named, self.average.values)), state, 'unet.pt')
        save_tensors({name: value.detach() for name, value in self.model.vae_tensors.items()},
                     state, 'vae.pt')
        with open(os.path.join(state, 'meta.json'), 'w', encoding='utf-8') as file:
            json.dump({'scale': self.model.scale, 'merges': self.model.merges}, file)


def save_tensors(tensors, state, name):
    """Replaces a file in one go, so that an evaluation never reads half of one."""
    path = os.path.join(state, name)
    torch.save(tensors, path + '.part')
    os.replace(path + '.part', path)


def starting_model(options):
    return folder.load(options.init) if options.init else fresh_model(options.state)


def count_parameters(options):
    model = starting_model(options)
    named = trainable(model)
    head = AttributeHead(torch.Generator())
    return sum(value.numel() for value in [*named.values(), *head.parameters()])


def work(rank, options, shared):
    Worker(rank, options, shared).run()


def train(options):
    shared = Shared(options.workers, count_parameters(options))
    multiprocessing.spawn(work, args=(options, shared), nprocs=options.workers)

"""Names and shapes of all tensors of a ModelScope-type text-to-video model, diffusers style.

Each function returns a dictionary tensor name -> shape. The defaults are ModelScope's own sizes;
the shapes model's sizes are in config.py.
"""


class Table(dict):
    """Collects tensor shapes layer by layer."""

    def linear(self, name, inputs, outputs, bias=True):
        self[name + '.weight'] = (outputs, inputs)
        if bias:
            self[name + '.bias'] = (outputs,)

    def norm(self, name, channels):
        self[name + '.weight'] = (channels,)
        self[name + '.bias'] = (channels,)

    def conv(self, name, inputs, outputs, kernel):
        self[name + '.weight'] = (outputs, inputs, *kernel)
        self[name + '.bias'] = (outputs,)

    def residual(self, name, inputs, outputs, embedding=None):
        """Two 3x3 convolutions; with a projection of the time embedding where there is one."""
        self.norm(name + '.norm1', inputs)
        self.conv(name + '.conv1', inputs, outputs, (3, 3))
        if embedding:
            self.linear(name + '.time_emb_proj', embedding, outputs)
        self.norm(name + '.norm2', outputs)
        self.conv(name + '.conv2', outputs, outputs, (3, 3))
        if inputs != outputs:
            self.conv(name + '.conv_shortcut', inputs, outputs, (1, 1))

    def temporal_conv(self, name, channels):
        for stage in (1, 2, 3, 4):
            self.norm(f'{name}.conv{stage}.0', channels)
            position = 2 if stage == 1 else 3
            self.conv(f'{name}.conv{stage}.{position}', channels, channels, (3, 1, 1))

    def attention(self, name, width, source):
        self.linear(name + '.to_q', width, width, bias=False)
        self.linear(name + '.to_k', source, width, bias=False)
        self.linear(name + '.to_v', source, width, bias=False)
        self.linear(name + '.to_out.0', width, width)

    def transformer(self, name, channels, width, source):
        """A transformer of one block; source is the width of what attn2 attends to."""
        block = name + '.transformer_blocks.0'
        self.norm(name + '.norm', channels)
        self.linear(name + '.proj_in', channels, width)
        self.norm(block + '.norm1', width)
        self.attention(block + '.attn1', width, width)
        self.norm(block + '.norm2', width)
        self.attention(block + '.attn2', width, source)
        self.norm(block + '.norm3', width)
        self.linear(block + '.ff.net.0.proj', width, 8 * width)
        self.linear(block + '.ff.net.2', 4 * width, width)
        self.linear(name + '.proj_out', width, channels)

    def vae_middle(self, name, channels):
        attention = name + '.attentions.0'
        self.norm(attention + '.group_norm', channels)
        for part in ('to_q', 'to_k', 'to_v', 'to_out.0'):
            self.linear(f'{attention}.{part}', channels, channels)
        self.residual(name + '.resnets.0', channels, channels)
        self.residual(name + '.resnets.1', channels, channels)


class UNetTable(Table):
    """The tensors of a UNet3DConditionModel."""

    def __init__(self, widths, layers, context, head_width, latent_channels, input_heads):
        super().__init__()
        self.widths, self.layers, self.context = widths, layers, context
        self.embedding = widths[0] * 4
        self.conv('conv_in', latent_channels, widths[0], (3, 3))
        self.linear('time_embedding.linear_1', widths[0], self.embedding)
        self.linear('time_embedding.linear_2', self.embedding, self.embedding)
        inner = input_heads * head_width
        self.transformer('transformer_in', widths[0], inner, inner)
        skips = self.down()
        self.middle()
        self.up(skips)
        self.norm('conv_norm_out', widths[0])
        self.conv('conv_out', widths[0], latent_channels, (3, 3))

    def layer(self, block, index, inputs, outputs, has_attention):
        self.residual(f'{block}.resnets.{index}', inputs, outputs, self.embedding)
        self.temporal_conv(f'{block}.temp_convs.{index}', outputs)
        if has_attention:
            self.transformer(f'{block}.attentions.{index}', outputs, outputs, self.context)
            self.transformer(f'{block}.temp_attentions.{index}', outputs, outputs, outputs)

    def down(self):
        """Returns the channels of every skip connection."""
        skips = [self.widths[0]]
        inputs = self.widths[0]
        last = len(self.widths) - 1
        for level, outputs in enumerate(self.widths):
            block = f'down_blocks.{level}'
            for index in range(self.layers):
                self.layer(block, index, inputs, outputs, level < last)
                inputs = outputs
                skips.append(outputs)
            if level < last:
                self.conv(block + '.downsamplers.0.conv', outputs, outputs, (3, 3))
                skips.append(outputs)
        return skips

    def middle(self):
        channels = self.widths[-1]
        self.layer('mid_block', 0, channels, channels, True)
        self.layer('mid_block', 1, channels, channels, False)

    def up(self, skips):
        inputs = self.widths[-1]
        last = len(self.widths) - 1
        for level, outputs in enumerate(reversed(self.widths)):
            block = f'up_blocks.{level}'
            for index in range(self.layers + 1):
                self.layer(block, index, inputs + skips.pop(), outputs, level > 0)
                inputs = outputs
            if level < last:
                self.conv(block + '.upsamplers.0.conv', outputs, outputs, (3, 3))


def unet_shapes(widths=(320, 640, 1280, 1280), layers=2, context=1024, head_width=64,
                latent_channels=4, input_heads=8):
    return dict(UNetTable(widths, layers, context, head_width, latent_channels, input_heads))


def vae_shapes(widths=(128, 256, 512, 512), layers=2, latent_channels=4):
    table = Table()
    vae_encoder(table, widths, layers, latent_channels)
    table.conv('quant_conv', 2 * latent_channels, 2 * latent_channels, (1, 1))
    table.conv('post_quant_conv', latent_channels, latent_channels, (1, 1))
    vae_decoder(table, widths, layers, latent_channels)
    return dict(table)


def vae_encoder(table, widths, layers, latent_channels):
    inputs = widths[0]
    table.conv('encoder.conv_in', 3, inputs, (3, 3))
    for level, outputs in enumerate(widths):
        block = f'encoder.down_blocks.{level}'
        for index in range(layers):
            table.residual(f'{block}.resnets.{index}', inputs, outputs)
            inputs = outputs
        if level < len(widths) - 1:
            table.conv(block + '.downsamplers.0.conv', outputs, outputs, (3, 3))
    table.vae_middle('encoder.mid_block', inputs)
    table.norm('encoder.conv_norm_out', inputs)
    table.conv('encoder.conv_out', inputs, 2 * latent_channels, (3, 3))


def vae_decoder(table, widths, layers, latent_channels):
    inputs = widths[-1]
    table.conv('decoder.conv_in', latent_channels, inputs, (3, 3))
    table.vae_middle('decoder.mid_block', inputs)
    for level, outputs in enumerate(reversed(widths)):
        block = f'decoder.up_blocks.{level}'
        for index in range(layers + 1):
            table.residual(f'{block}.resnets.{index}', inputs, outputs)
            inputs = outputs
        if level < len(widths) - 1:
            table.conv(block + '.upsamplers.0.conv', outputs, outputs, (3, 3))
    table.norm('decoder.conv_norm_out', inputs)
    table.conv('decoder.conv_out', inputs, 3, (3, 3))


def text_encoder_shapes(width=1024, layers=23, hidden=4096, vocabulary=49408, positions=77):
    table = Table()
    table['text_model.embeddings.token_embedding.weight'] = (vocabulary, width)
    table['text_model.embeddings.position_embedding.weight'] = (positions, width)
    for layer in range(layers):
        name = f'text_model.encoder.layers.{layer}'
        for part in ('k_proj', 'v_proj', 'q_proj', 'out_proj'):
            table.linear(f'{name}.self_attn.{part}', width, width)
        table.norm(name + '.layer_norm1', width)
        table.norm(name + '.layer_norm2', width)
        table.linear(name + '.mlp.fc1', width, hidden)
        table.linear(name + '.mlp.fc2', hidden, width)
    table.norm('text_model.final_layer_norm', width)
    return dict(table)

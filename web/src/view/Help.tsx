import { Button, Group, Kbd, Modal, Slider, Switch, Table, Text } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Ringer } from '../sound/ringer';
import { focusOnPop } from './settings';

interface Props {
  opened: boolean;
  onClose: () => void;
  ringer: Ringer;
}

const KEYS: [string, string][] = [
  ['F2', 'ack'],
  ['Enter', 'take'],
  ['F3', 'decline'],
  ['F4', 'finish'],
  ['F6', 'assist'],
  ['F8', 'park'],
  ['1 – 5', 'choose'],
  ['F1', 'help'],
];

export function Help({ opened, onClose, ringer }: Props) {
  const { t } = useTranslation();
  const [focus, setFocus] = useState(focusOnPop.get());
  const [volume, setVolume] = useState(ringer.volume * 100);
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={t('help.title')}
      closeButtonProps={{ 'aria-label': t('contacts.close') }}
    >
      <Table withRowBorders={false} verticalSpacing={4} aria-label={t('help.keys')}>
        <Table.Tbody>
          {KEYS.map(([key, name]) => (
            <Table.Tr key={key}>
              <Table.Td w={90}>
                <Kbd>{key}</Kbd>
              </Table.Td>
              <Table.Td>{t(`help.key.${name}`)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Text size="sm" c="gray.7" my="sm">
        {t('help.ime')}
      </Text>
      <Switch
        label={t('help.focus')}
        checked={focus}
        mb="md"
        onChange={({ currentTarget }) => {
          setFocus(currentTarget.checked);
          focusOnPop.set(currentTarget.checked);
        }}
      />
      <Group>
        <Text size="sm">{t('help.volume')}</Text>
        <Slider
          flex={1}
          value={volume}
          label={(value) => `${value}%`}
          thumbLabel={t('help.volume')}
          onChange={setVolume}
          onChangeEnd={(value) => ringer.setVolume(value / 100)}
        />
        <Button variant="default" size="compact-md" onClick={() => void ringer.test()}>
          {t('help.test')}
        </Button>
      </Group>
    </Modal>
  );
}
